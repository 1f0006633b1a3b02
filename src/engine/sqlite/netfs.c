/* Which file systems are not for a write-ahead log: on a network file system two machines do not
 * share the memory of the log's index, and locks are often a promise only. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include "base/mem.h"
#include "engine/sqlite/internal.h"

/* Magic numbers: statfs(2) and the kernel's linux/magic.h. */
static const struct {
    unsigned long magic;
    const char *name;
} network[] = {
    { 0x6969, "NFS" },      { 0x517b, "SMB" },        { 0xff534d42, "CIFS" },
    { 0xfe534d42, "SMB2" }, { 0x73757245, "Coda" },   { 0x5346414f, "AFS" },
    { 0x6b414653, "kAFS" }, { 0x01021997, "9p" },     { 0x00c36400, "Ceph" },
    { 0x564c, "NCP" },      { 0x013111a8, "IBRIX" },  { 0x7461636f, "OCFS2" },
    { 0x01161970, "GFS2" }, { 0x0bd00bd0, "Lustre" },
};
enum { FUSE_MAGIC = 0x65735546 };

static unsigned long pretended;

void dv_sqfile_set_fs_magic(unsigned long magic)
{
    pretended = magic;
}

const char *dv_sqfile_netfs_name(unsigned long magic)
{
    for (size_t i = 0; i < sizeof(network) / sizeof(network[0]); i++)
        if (network[i].magic == magic)
            return network[i].name;
    return NULL;
}

/* FUSE is local or remote: the mount's type says which ("fuse.sshfs"). */
static bool is_remote_fuse(const char *folder, char *type, size_t room)
{
    static const char *const remote[] = { "sshfs",   "s3fs",      "rclone",  "glusterfs",
                                          "davfs",   "curlftpfs", "goofys",  "gvfsd-fuse",
                                          "juicefs", "ceph-fuse", "gcsfuse", "smbnetfs" };
    unsigned want_major, want_minor, maj, min;
    char line[4096], kind[128];
    struct stat st;
    bool found = false;
    FILE *f;

    if (stat(folder, &st) < 0)
        return false;
    want_major = major(st.st_dev);
    want_minor = minor(st.st_dev);
    f = fopen("/proc/self/mountinfo", "re");
    while (f && !found && fgets(line, sizeof(line), f)) {
        const char *dash = strstr(line, " - ");

        if (!dash || sscanf(line, "%*d %*d %u:%u", &maj, &min) != 2 || maj != want_major ||
            min != want_minor || sscanf(dash, " - fuse.%127s", kind) != 1)
            continue;
        for (size_t i = 0; i < sizeof(remote) / sizeof(remote[0]); i++)
            found = found || strcmp(kind, remote[i]) == 0;
        snprintf(type, room, "%.60s", kind);
    }
    if (f)
        fclose(f);
    return found;
}

static int check_folder(const char *path, const char *folder, struct dv_err *err)
{
    unsigned long magic = pretended;
    char type[64] = "";
    const char *name;
    struct statfs fs;

    if (!magic && statfs(folder, &fs) == 0)
        magic = (unsigned long)fs.f_type & 0xffffffffUL;
    name = dv_sqfile_netfs_name(magic);
    if (!name && magic == FUSE_MAGIC && is_remote_fuse(folder, type, sizeof(type)))
        name = type;
    if (!name)
        return 0;
    return dv_err_set(err, DV_ENETFS,
                      "%s: is on a network file system (%s), where several machines could not "
                      "share it safely",
                      path, name);
}

int dv_sqfile_check_fs(const char *path, struct dv_err *err)
{
    char *folder = dv_strdup(path);
    char *slash;
    int rc;

    if (!folder)
        return dv_err_set(err, DV_ENOMEM, "out of memory");
    slash = strrchr(folder, '/');
    if (slash)
        slash[1] = '\0';
    rc = check_folder(path, slash ? folder : ".", err);
    dv_free(folder);
    return rc;
}

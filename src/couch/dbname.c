/* Which database names are legal; see dbname.h. */
#include "couch/dbname.h"

static bool is_legal_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c && strchr("_$()+-/", c));
}

static bool is_plain_name(struct dv_slice name)
{
    if (name.n == 0 || name.p[0] < 'a' || name.p[0] > 'z')
        return false;
    for (size_t i = 1; i < name.n; i++)
        if (!is_legal_char(name.p[i]))
            return false;
    return true;
}

bool dv_dbname_is_system(struct dv_slice name)
{
    static const char *const system[] = { "_dbs",   "_global_changes", "_metadata",
                                          "_nodes", "_replicator",     "_users" };
    size_t last = name.n;

    if (name.n == 0)
        return false;
    while (last > 0 && name.p[last - 1] != '/')
        last--;
    if (last > 0 && !is_plain_name(dv_slice(name.p, last - 1)))
        return false;
    for (size_t i = 0; i < sizeof(system) / sizeof(system[0]); i++)
        if (dv_slice_eq_str(dv_slice(name.p + last, name.n - last), system[i]))
            return true;
    return false;
}

int dv_dbname_check(struct dv_slice name, struct dv_err *err)
{
    if (!is_plain_name(name) && (name.n == 0 || !dv_dbname_is_system(name)))
        return dv_err_set(err, DV_EILLEGALNAME,
                          "Name: '%.*s'. Only lowercase characters (a-z), digits (0-9), and any "
                          "of the characters _, $, (, ), +, -, and / are allowed. Must begin "
                          "with a letter.",
                          name.n > DV_DBNAME_MAX ? DV_DBNAME_MAX : (int)name.n,
                          name.n ? name.p : "");
    if (name.n > DV_DBNAME_MAX)
        return dv_err_couch(err, DV_EILLEGALNAME, 400, "database_name_too_long",
                            "At least one path segment of `%.*s` is too long.", DV_DBNAME_MAX,
                            name.p);
    return 0;
}

/* A measured case is a process of its own, so that its memory is its own. The parent reads the
 * child's RssAnon every few milliseconds; the child answers through a pipe. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench/bench.h"

enum { SAMPLE_MS = 5 };

void bench_die(const char *what, const struct dv_err *err)
{
    char text[800] = "";

    if (err)
        dv_err_text(err, text, sizeof(text));
    fprintf(stderr, "bench: %s%s%s\n", what, err ? ": " : "", text);
    fflush(stderr);
    _exit(1);
}

void bench_check(bool ok, const char *what)
{
    if (!ok)
        bench_die(what, NULL);
}

double bench_now_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static uint64_t anon_kib(pid_t pid)
{
    char path[64], line[256];
    unsigned long kib = 0;
    FILE *f;

    snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    f = fopen(path, "re");
    if (!f)
        return 0;
    while (fgets(line, sizeof(line), f))
        if (strncmp(line, "RssAnon:", 8) == 0)
            kib = strtoul(line + 8, NULL, 10);
    fclose(f);
    return kib;
}

static double cpu_s(int who)
{
    struct rusage u;

    getrusage(who, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           1e-6 * (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static void answer(bench_fn *fn, const void *arg, int fd)
{
    struct bench_result result;

    memset(&result, 0, sizeof(result));
    fn(arg, &result);
    result.caller_cpu_s = cpu_s(RUSAGE_THREAD);
    result.other_cpu_s = cpu_s(RUSAGE_SELF) - result.caller_cpu_s;
    bench_check(write(fd, &result, sizeof(result)) == sizeof(result), "the pipe");
    _exit(0);
}

void bench_run(bench_fn *fn, const void *arg, struct bench_result *result)
{
    struct pollfd ready = { .events = POLLIN };
    uint64_t peak = 0;
    int fds[2], status;
    pid_t pid;

    bench_check(pipe(fds) == 0, "pipe");
    fflush(stdout);
    pid = fork();
    bench_check(pid >= 0, "fork");
    if (pid == 0)
        answer(fn, arg, fds[1]);
    close(fds[1]);
    ready.fd = fds[0];
    while (poll(&ready, 1, SAMPLE_MS) == 0) {
        uint64_t now = anon_kib(pid);

        peak = now > peak ? now : peak;
    }
    if (read(fds[0], result, sizeof(*result)) != sizeof(*result))
        memset(result, 0, sizeof(*result));
    close(fds[0]);
    bench_check(waitpid(pid, &status, 0) == pid && status == 0, "a case failed");
    result->peak_anon_kib = peak;
}

/* The main() of a fuzz target without libFuzzer: every file of tests/fuzz/corpus/<target>, whole,
 * and then mutated. The mutations depend on a constant seed only, so a failure comes back with the
 * next run; a signal handler leaves the input that broke in <program>.broken. */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/rand.h"
#include "fuzz/fuzz.h"
#include "lib/check_main.h"

enum {
    INPUT_MAX = 64 * 1024,
    TRIES = 3000,
    TRIES_SOAK = 1000000,
    CHANGES_MAX = 6,
};

struct input {
    uint8_t bytes[INPUT_MAX];
    size_t n;
};

static char broken_path[4096];
static struct input input;

/* Only calls that are safe in a handler. */
static void keep_input(int signal_number)
{
    int fd = open(broken_path, O_WRONLY | O_CREAT | O_TRUNC, 0666);

    if (fd >= 0 && write(fd, input.bytes, input.n) == (ssize_t)input.n)
        close(fd);
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

static void read_input(const char *path)
{
    FILE *f = fopen(path, "rb");

    DV_FUZZ_CHECK(f);
    input.n = fread(input.bytes, 1, sizeof(input.bytes), f);
    DV_FUZZ_CHECK(!ferror(f));
    fclose(f);
}

static void change_once(struct dv_rng *rng)
{
    size_t at = input.n ? (size_t)dv_rng_below(rng, input.n) : 0;
    size_t run = input.n ? (size_t)dv_rng_below(rng, input.n - at) + 1 : 0;

    switch (dv_rng_below(rng, 5)) {
    case 0: /* one bit */
        if (input.n)
            input.bytes[at] ^= (uint8_t)(1U << dv_rng_below(rng, 8));
        break;
    case 1: /* one byte, often of the kind that ends or continues something */
        if (input.n)
            input.bytes[at] = dv_rng_below(rng, 2) ? (uint8_t)dv_rng_next(rng)
                                                   : (uint8_t) "\0\r\n\"\\-\x7f\x80\xff%"[at % 10];
        break;
    case 2: /* the end is missing */
        input.n = at;
        break;
    case 3: /* a run is missing */
        memmove(input.bytes + at, input.bytes + at + run, input.n - at - run);
        input.n -= run;
        break;
    default: /* a run is there twice */
        if (run > sizeof(input.bytes) - input.n)
            break;
        memmove(input.bytes + at + run, input.bytes + at, input.n - at);
        input.n += run;
    }
}

static void try_mutations(const char *path)
{
    int tries = dv_test_scale(TRIES, TRIES_SOAK);
    struct dv_rng rng;

    dv_rng_seed(&rng, 1);
    for (int i = 0; i < tries; i++) {
        read_input(path);
        for (uint64_t changes = dv_rng_below(&rng, CHANGES_MAX); changes > 0; changes--)
            change_once(&rng);
        LLVMFuzzerTestOneInput(input.bytes, input.n);
    }
}

int main(int argc, char **argv)
{
    const char *target = strstr(argv[0], "fuzz_");
    char folder[4096], path[8192];
    struct dirent *entry;
    int files = 0;
    DIR *d;

    (void)argc;
    DV_FUZZ_CHECK(target);
    snprintf(broken_path, sizeof(broken_path), "%s.broken", argv[0]);
    snprintf(folder, sizeof(folder), "%s/%s", dv_test_path("fuzz/corpus"), target + 5);
    d = opendir(folder);
    DV_FUZZ_CHECK(d);
    signal(SIGABRT, keep_input);
    signal(SIGSEGV, keep_input);
    while ((entry = readdir(d))) {
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        read_input(path);
        LLVMFuzzerTestOneInput(input.bytes, input.n);
        try_mutations(path);
        files++;
    }
    closedir(d);
    printf("%s: %d files of the corpus, each mutated %d times\n", target, files,
           dv_test_scale(TRIES, TRIES_SOAK));
    return files > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

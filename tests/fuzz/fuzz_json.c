/* Whether a text is taken, and its events, do not depend on how it is cut (of several faults
 * another one may be told); a text that is taken has a canonical form that is its own and equals
 * it. The first byte says how to cut the rest. */
#include "base/mem.h"
#include "fuzz/fuzz.h"
#include "json/tree.h"

static const struct dv_json_limits limits = { .depth = 100, .string_bytes = 4096 };

static int note(void *arg, const struct dv_json_event *ev, struct dv_err *err)
{
    struct dv_buf *out = arg;

    (void)err;
    DV_FUZZ_CHECK(ev->end - ev->start == ev->raw.n);
    dv_buf_printf(out, "%d %u %llu ", (int)ev->type, ev->depth, (unsigned long long)ev->start);
    dv_buf_add_slice(out, ev->raw);
    dv_buf_add_slice(out, ev->text);
    return 0;
}

static int read_in_steps(struct dv_slice text, size_t step, struct dv_buf *out)
{
    struct dv_json_reader *r;
    int rc = 0;

    DV_FUZZ_CHECK(dv_json_reader_new(&limits, note, out, &r, NULL) == 0);
    for (size_t i = 0; i < text.n && rc == 0; i += step) {
        size_t n = text.n - i < step ? text.n - i : step;
        char *chunk = dv_memdup(text.p + i, n);

        DV_FUZZ_CHECK(chunk);
        rc = dv_json_reader_feed(r, dv_slice(chunk, n), NULL);
        dv_free(chunk);
    }
    if (rc == 0)
        rc = dv_json_reader_end(r, NULL);
    dv_json_reader_free(r);
    return rc;
}

static void check_tree(struct dv_slice text)
{
    struct dv_buf once, twice;
    struct dv_json *a, *b;
    struct dv_arena arena;

    dv_arena_init(&arena, 1 << 26);
    dv_buf_init(&once, 1 << 24);
    dv_buf_init(&twice, 1 << 24);
    DV_FUZZ_CHECK(dv_json_tree(text, &limits, &arena, &a, NULL) == 0);
    DV_FUZZ_CHECK(dv_json_canonical(a, &arena, &once, NULL) == 0);
    DV_FUZZ_CHECK(dv_json_tree(dv_buf_slice(&once), NULL, &arena, &b, NULL) == 0);
    DV_FUZZ_CHECK(dv_json_equal(a, b, 0));
    DV_FUZZ_CHECK(dv_json_canonical(b, &arena, &twice, NULL) == 0);
    DV_FUZZ_CHECK(dv_slice_eq(dv_buf_slice(&once), dv_buf_slice(&twice)));
    dv_buf_fini(&once);
    dv_buf_fini(&twice);
    dv_arena_fini(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct dv_slice text = dv_slice(bytes + 1, n > 0 ? n - 1 : 0);
    struct dv_buf whole, parts;
    int rc;

    if (n == 0)
        return 0;
    dv_buf_init(&whole, 1 << 26);
    dv_buf_init(&parts, 1 << 26);
    rc = read_in_steps(text, text.n + 1, &whole);
    DV_FUZZ_CHECK((read_in_steps(text, bytes[0] % 16 + 1u, &parts) == 0) == (rc == 0));
    if (rc == 0) {
        DV_FUZZ_CHECK(dv_slice_eq(dv_buf_slice(&whole), dv_buf_slice(&parts)));
        check_tree(text);
    }
    dv_buf_fini(&whole);
    dv_buf_fini(&parts);
    return 0;
}

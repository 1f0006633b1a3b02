/* Documents of the shape the promises speak of. Made from their number with a few copies, so that
 * making them weighs little in what is measured and every case sees the same ones. */
#include <stdio.h>

#include "base/rand.h"
#include "bench/bench.h"

enum { FILLER_MIN = 60, FILLER_SPREAD = 200 };

static const char filler[] =
    "Grapes, walnuts and a wheel of cheese were loaded at the pier before the morning fog had gone; "
    "the captain signed for eleven crates, found twelve, and wrote a long letter about the difference. "
    "Nobody at the office could say where the last one came from, so it was kept behind the counter "
    "until spring, when a smell of cinnamon made the clerks open it after all, and find it full of maps.";

static void put_hex(char *out, uint64_t v)
{
    static const char digits[] = "0123456789abcdef";

    for (int i = 0; i < 16; i++, v >>= 4)
        out[i] = digits[v & 15];
}

static size_t put_number(char *out, uint64_t v, int digits)
{
    for (int i = digits; i-- > 0; v /= 10)
        out[i] = (char)('0' + v % 10);
    return (size_t)digits;
}

static size_t put_text(char *out, const char *text, size_t n)
{
    memcpy(out, text, n);
    return n;
}

#define PUT(lit) at += put_text(out + at, lit, sizeof(lit) - 1)

static size_t make_body(struct dv_rng *rng, char *out)
{
    uint64_t a = dv_rng_next(rng), b = dv_rng_next(rng);
    size_t at = 0;

    PUT("{\"type\":\"order\",\"number\":1");
    at += put_number(out + at, a, 8);
    PUT(",\"customer\":{\"name\":\"");
    at += put_text(out + at, filler + a % 200, 14);
    PUT("\",\"city\":\"");
    at += put_text(out + at, filler + b % 190, 9);
    PUT("\",\"code\":\"");
    at += put_number(out + at, b, 5);
    PUT("\"},\"price\":1");
    at += put_number(out + at, b >> 7, 3);
    PUT(".");
    at += put_number(out + at, a >> 9, 2);
    PUT(",\"paid\":true,\"tags\":[\"");
    at += put_text(out + at, filler + (a >> 20) % 200, 6);
    PUT("\",\"");
    at += put_text(out + at, filler + (b >> 20) % 200, 8);
    PUT("\"],\"created_at\":\"2024-11-");
    at += put_number(out + at, 10 + (a >> 30) % 20, 2);
    PUT("T12:00:");
    at += put_number(out + at, 10 + (b >> 30) % 50, 2);
    PUT("Z\",\"note\":\"");
    at += put_text(out + at, filler + (a >> 40) % 100, FILLER_MIN + (b >> 40) % FILLER_SPREAD);
    PUT("\"}");
    return at;
}

void bench_doc_make(uint64_t n, struct bench_doc *doc)
{
    struct dv_rng rng;

    dv_rng_seed(&rng, n);
    put_hex(doc->id, dv_rng_next(&rng));
    put_hex(doc->id + 16, dv_rng_next(&rng));
    put_hex(doc->hash, dv_rng_next(&rng));
    put_hex(doc->hash + 16, dv_rng_next(&rng));
    doc->id[32] = doc->hash[32] = '\0';
    doc->body_bytes = make_body(&rng, doc->body);
}

void bench_batch_init(struct bench_batch *b)
{
    dv_buf_init(&b->text, 16 << 20);
    b->n = 0;
}

void bench_batch_fini(struct bench_batch *b)
{
    dv_buf_fini(&b->text);
}

static void add_doc(struct dv_buf *text, const struct bench_doc *doc, enum bench_form form)
{
    dv_buf_add_str(text, "{\"_id\":\"");
    dv_buf_add(text, doc->id, 32);
    dv_buf_add_str(text, "\",\"_rev\":\"1-");
    dv_buf_add(text, doc->hash, 32);
    if (form == BENCH_REPLICATED) {
        dv_buf_add_str(text, "\",\"_revisions\":{\"start\":1,\"ids\":[\"");
        dv_buf_add(text, doc->hash, 32);
        dv_buf_add_str(text, "\"]},");
    } else {
        dv_buf_add_str(text, "\",\"edited\":true,");
    }
    dv_buf_add(text, doc->body + 1, doc->body_bytes - 1);
}

void bench_batch_fill(struct bench_batch *b, uint64_t first, size_t n, enum bench_form form)
{
    dv_buf_reset(&b->text);
    b->n = n;
    for (size_t i = 0; i < n; i++) {
        struct bench_doc doc;

        bench_doc_make(first + i, &doc);
        add_doc(&b->text, &doc, form);
        b->ends[i] = b->text.n;
    }
    bench_check(b->text.failed == 0, "no memory for a batch");
}

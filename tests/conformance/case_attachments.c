/* attachments: streams in and out, who keeps them, copies. */
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "conformance/cf.h"

enum { CHUNK = 64 * 1024 }; /* DV_ATT_CHUNK_BYTES, which is not the callers' business */

/* Write n random bytes, kept in *bytes, and refer to them from a document. */
static struct dv_att_info attach(struct cf *c, const char *id, size_t n, struct dv_buf *bytes)
{
    struct dv_att_info info;
    struct cf_edit e = { .id = id, .path = "x", .body = DV_SLICE_LIT("{}"), .n_atts = 1 };
    struct dv_txn *t;

    dv_buf_init(bytes, CF_ANY);
    cf_random(bytes, n, n);
    CF_OK(cf_att_write(c->store, NULL, DV_ATT_AS_IS, dv_buf_slice(bytes), 4096, &info, &c->err));
    e.atts = &info.key;
    t = cf_write(c);
    CF_OK(cf_merge(t, &e, 1, &c->arena, &c->err));
    cf_commit(c, t);
    return info;
}

static void random_bytes_written_in_chunks_come_back_after_reopen(struct cf *c)
{
    struct dv_att_info info;
    struct dv_buf bytes;

    cf_create(c);
    info = attach(c, "a", 32768, &bytes);
    ck_assert_uint_eq(info.stored_bytes, 32768);
    ck_assert_uint_eq(info.decoded_bytes, 32768);
    ck_assert_int_eq(info.key.encoding, DV_ENC_IDENTITY);
    ck_assert_mem_eq(info.md5_stored, info.md5_decoded, 16);
    cf_reopen(c);
    cf_att_is(c, &info.key, dv_buf_slice(&bytes));
    dv_buf_fini(&bytes);
}

static void a_stream_from_before_a_close_and_open_is_not_active(struct cf *c)
{
    struct dv_att_info before, after;
    struct dv_buf bytes;

    cf_create(c);
    before = attach(c, "a", 100, &bytes);
    ck_assert(dv_store_att_is_active(c->store, &before));
    cf_reopen(c);
    ck_assert(!dv_store_att_is_active(c->store, &before));
    CF_OK(cf_att_write(c->store, NULL, DV_ATT_AS_IS, dv_buf_slice(&bytes), 7, &after, &c->err));
    ck_assert(dv_store_att_is_active(c->store, &after));
    ck_assert_mem_eq(&before.key, &after.key, sizeof(before.key));
    dv_buf_fini(&bytes);
}

static void nothing_is_stored(struct cf *c)
{
    struct dv_check_result found = cf_account(c);

    ck_assert_uint_eq(found.attachments, 0);
    ck_assert_uint_eq(found.chunks, 0);
}

static void die_writing(struct cf *c)
{
    static char bytes[5 * CHUNK / 2];
    struct dv_att_writer *w;

    if (dv_store_open(c->engine, c->path, NULL, &c->store, &c->err) < 0 ||
        dv_att_writer_open(c->store, NULL, DV_ATT_AS_IS, 0, &w, &c->err) < 0 ||
        dv_att_writer_append(w, dv_slice(bytes, sizeof(bytes)), &c->err) < 0)
        _exit(1);
    _exit(0); /* as dead as by a signal: nothing is closed */
}

static void a_writer_that_dies_leaves_nothing_behind_after_open_and_compaction(struct cf *c)
{
    uint64_t before;
    int status;
    pid_t child;

    cf_create(c);
    cf_put(c, "a", "x", "{}");
    cf_compact(c, 0);
    before = cf_props(c).file_bytes;
    cf_close(c);
    child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0)
        die_writing(c);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    cf_open(c);
    cf_compact(c, 0);
    nothing_is_stored(c);
    ck_assert_uint_le(cf_props(c).file_bytes, before + CHUNK);
}

static void an_aborted_writer_leaves_nothing_behind(struct cf *c)
{
    struct dv_att_writer *w;
    struct dv_buf bytes;
    uint64_t before;

    cf_create(c);
    cf_compact(c, 0);
    before = cf_props(c).file_bytes;
    dv_buf_init(&bytes, CF_ANY);
    cf_random(&bytes, 3 * CHUNK, 3);
    CF_OK(dv_att_writer_open(c->store, NULL, DV_ATT_AS_IS, 0, &w, &c->err));
    dv_att_writer_abort(w);
    CF_OK(dv_att_writer_open(c->store, NULL, DV_ATT_COMPRESS, 0, &w, &c->err));
    CF_OK(dv_att_writer_append(w, dv_buf_slice(&bytes), &c->err));
    dv_att_writer_abort(w);
    dv_att_writer_abort(NULL);
    nothing_is_stored(c);
    cf_compact(c, 0);
    ck_assert_uint_le(cf_props(c).file_bytes, before + CHUNK);
    dv_buf_fini(&bytes);
}

static void lengths_around_the_borders_of_chunks(struct cf *c)
{
    static const size_t lengths[] = { 0,         1,         CHUNK - 1,     CHUNK,
                                      CHUNK + 1, 2 * CHUNK, 2 * CHUNK + 1, 5 * CHUNK - 3 };
    static const size_t pieces[] = { 1 << 20, 5000 };

    cf_create(c);
    for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++)
        for (size_t k = 0; k < sizeof(pieces) / sizeof(*pieces); k++) {
            struct dv_att_info info;
            struct dv_buf bytes;

            dv_buf_init(&bytes, CF_ANY);
            cf_random(&bytes, lengths[i], i);
            CF_OK(cf_att_write(c->store, NULL, DV_ATT_AS_IS, dv_buf_slice(&bytes), pieces[k], &info,
                               &c->err));
            ck_assert_uint_eq(info.stored_bytes, lengths[i]);
            cf_att_is(c, &info.key, dv_buf_slice(&bytes));
            dv_buf_fini(&bytes);
        }
    ck_assert_uint_eq(cf_account(c).attachments, 8); /* each content once */
}

static void ranges_across_the_borders_of_chunks(struct cf *c)
{
    static const uint64_t ranges[][2] = {
        { 0, UINT64_MAX },          { 0, 0 },         { 0, 1 },
        { CHUNK - 1, 2 },           { CHUNK, CHUNK }, { 100, 2 * CHUNK },
        { 2 * CHUNK, UINT64_MAX },  { 3 * CHUNK, 9 }, { 3 * CHUNK - 1, 9 },
        { 99 * CHUNK, UINT64_MAX }, { 1, UINT64_MAX }
    };
    struct dv_att_info info;
    struct dv_buf bytes;

    cf_create(c);
    info = attach(c, "a", 3 * CHUNK, &bytes);
    for (size_t i = 0; i < sizeof(ranges) / sizeof(*ranges); i++) {
        uint64_t from = ranges[i][0] < bytes.n ? ranges[i][0] : bytes.n;
        uint64_t n = ranges[i][1] < bytes.n - from ? ranges[i][1] : bytes.n - from;
        struct dv_txn *t = i % 2 ? cf_read(c) : NULL;
        struct dv_buf read;

        dv_buf_init(&read, CF_ANY);
        CF_OK(cf_att_read(c->store, t, &info.key, ranges[i][0], ranges[i][1], &read, &c->err));
        ck_assert(dv_slice_eq(dv_buf_slice(&read), dv_slice(bytes.p + from, n)));
        dv_buf_fini(&read);
        dv_txn_rollback(t);
    }
    dv_buf_fini(&bytes);
}

static void an_unknown_attachment_is_not_found(struct cf *c)
{
    struct dv_att_info info;
    struct dv_att_key key;
    struct dv_att_reader *r;
    struct dv_buf bytes;

    cf_create(c);
    info = attach(c, "a", 10, &bytes);
    key = info.key;
    key.sha256[31] ^= 1;
    CF_FAILS(dv_att_reader_open(c->store, NULL, &key, 0, 1, &r, &c->err), DV_ENOTFOUND);
    key = info.key;
    key.encoding = DV_ENC_GZIP; /* the same bytes, but said to be something else */
    CF_FAILS(dv_att_reader_open(c->store, NULL, &key, 0, 1, &r, &c->err), DV_ENOTFOUND);
    dv_buf_fini(&bytes);
}

static void more_than_max_bytes_is_too_big_and_leaves_nothing(struct cf *c)
{
    static const enum dv_att_mode modes[] = { DV_ATT_AS_IS, DV_ATT_COMPRESS };
    struct dv_att_writer *w;
    struct dv_att_info info;
    struct dv_buf bytes;

    cf_create(c);
    dv_buf_init(&bytes, CF_ANY);
    cf_random(&bytes, 3 * CHUNK, 1);
    for (size_t i = 0; i < 2; i++) {
        CF_OK(dv_att_writer_open(c->store, NULL, modes[i], 2 * CHUNK + 1, &w, &c->err));
        CF_OK(dv_att_writer_append(w, dv_slice(bytes.p, 2 * CHUNK), &c->err));
        CF_OK(dv_att_writer_append(w, dv_slice(bytes.p, 1), &c->err));
        CF_FAILS(dv_att_writer_append(w, dv_slice(bytes.p, 1), &c->err), DV_ETOOBIG);
        CF_FAILS(dv_att_writer_append(w, dv_slice(bytes.p, 0), &c->err), DV_ETOOBIG);
        CF_FAILS(dv_att_writer_finish(w, &info, &c->err), DV_ETOOBIG);
    }
    nothing_is_stored(c);
    dv_buf_fini(&bytes);
}

static void the_same_content_is_stored_once(struct cf *c)
{
    struct dv_att_info a, b;
    struct dv_buf bytes, again;

    cf_create(c);
    a = attach(c, "a", CHUNK + 5, &bytes);
    b = attach(c, "b", CHUNK + 5, &again);
    ck_assert_mem_eq(&a.key, &b.key, sizeof(a.key));
    ck_assert_uint_eq(cf_account(c).attachments, 1);
    ck_assert_uint_eq(cf_account(c).chunks, 2);
    ck_assert_uint_eq(cf_props(c).external_bytes, CHUNK + 5 + 2 + 2);
    cf_purge_revs(c, "u1", "a", "1-x");
    cf_compact(c, 1);
    cf_att_is(c, &a.key, dv_buf_slice(&bytes)); /* b still has it */
    cf_purge_revs(c, "u2", "b", "1-x");
    cf_compact(c, 1);
    nothing_is_stored(c);
    dv_buf_fini(&bytes);
    dv_buf_fini(&again);
}

static void it_is_kept_until_a_body_refers_to_it(struct cf *c)
{
    struct dv_att_info info;
    struct cf_edit e = { .id = "a", .path = "x", .body = DV_SLICE_LIT("{}"), .n_atts = 1 };
    struct dv_txn *t;

    cf_create(c);
    CF_OK(cf_att_write(c->store, NULL, DV_ATT_AS_IS, cf_str("hello"), 1, &info, &c->err));
    cf_compact(c, 1);
    e.atts = &info.key;
    t = cf_write(c);
    CF_OK(cf_merge(t, &e, 1, &c->arena, &c->err));
    dv_txn_rollback(t); /* it did not happen: still kept */
    cf_compact(c, 1);
    t = cf_write(c);
    CF_OK(cf_merge(t, &e, 1, &c->arena, &c->err));
    cf_commit(c, t);
    cf_compact(c, 1);
    cf_att_is(c, &info.key, cf_str("hello"));
    t = cf_write(c);
    CF_OK(dv_txn_drop_body(t, e.ref, &c->err));
    dv_txn_rollback(t);
    cf_purge_revs(c, "u", "a", "1-x");
    cf_compact(c, 1);
    nothing_is_stored(c); /* once referred to, it is not kept any longer */
}

static void a_forgotten_one_goes_with_compaction(struct cf *c)
{
    struct dv_att_info info;

    cf_create(c);
    CF_OK(cf_att_write(c->store, NULL, DV_ATT_AS_IS, cf_str("hello"), 9, &info, &c->err));
    dv_att_forget(c->store, &info.key);
    cf_compact(c, 1);
    nothing_is_stored(c);
}

static void one_that_nobody_refers_to_goes_after_close_open_and_compaction(struct cf *c)
{
    struct dv_att_info info;

    cf_create(c);
    CF_OK(cf_att_write(c->store, NULL, DV_ATT_AS_IS, cf_str("hello"), 9, &info, &c->err));
    cf_reopen(c);
    cf_compact(c, 1);
    nothing_is_stored(c);
}

static void one_that_another_opening_keeps_stays(struct cf *c)
{
    struct dv_store *other = NULL;
    struct dv_att_info info;

    cf_create(c);
    CF_OK(dv_store_open(c->engine, c->path, NULL, &other, &c->err));
    CF_OK(cf_att_write(other, NULL, DV_ATT_AS_IS, cf_str("hello"), 9, &info, &c->err));
    cf_compact(c, 1);
    cf_att_is(c, &info.key, cf_str("hello"));
    dv_store_unref(other);
    cf_compact(c, 1);
    nothing_is_stored(c);
}

static void with_a_transaction_all_of_it_belongs_to_that_transaction(struct cf *c)
{
    struct dv_att_info info;
    struct dv_att_reader *r;
    struct cf_edit e = { .id = "a", .path = "x", .body = DV_SLICE_LIT("{}"), .n_atts = 1 };
    struct dv_buf bytes;
    struct dv_txn *t;

    cf_create(c);
    dv_buf_init(&bytes, CF_ANY);
    cf_random(&bytes, 2 * CHUNK + 9, 1);
    t = cf_write(c);
    CF_OK(cf_att_write(c->store, t, DV_ATT_AS_IS, dv_buf_slice(&bytes), 999, &info, &c->err));
    dv_txn_rollback(t);
    CF_FAILS(dv_att_reader_open(c->store, NULL, &info.key, 0, 1, &r, &c->err), DV_ENOTFOUND);
    nothing_is_stored(c);
    t = cf_write(c);
    CF_OK(cf_att_write(c->store, t, DV_ATT_AS_IS, dv_buf_slice(&bytes), 999, &info, &c->err));
    e.atts = &info.key;
    CF_OK(cf_merge(t, &e, 1, &c->arena, &c->err));
    cf_commit(c, t);
    cf_reopen(c);
    cf_att_is(c, &info.key, dv_buf_slice(&bytes));
    dv_buf_fini(&bytes);
}

static void a_writer_aborted_in_a_transaction_leaves_the_rest_of_it(struct cf *c)
{
    struct dv_att_writer *w;
    struct dv_buf bytes;
    struct cf_edit e = { .id = "a", .path = "x", .body = DV_SLICE_LIT("{}") };
    struct dv_txn *t;

    cf_create(c);
    dv_buf_init(&bytes, CF_ANY);
    cf_random(&bytes, 2 * CHUNK + 9, 1);
    t = cf_write(c);
    CF_OK(dv_att_writer_open(c->store, t, DV_ATT_AS_IS, 0, &w, &c->err));
    CF_OK(dv_att_writer_append(w, dv_buf_slice(&bytes), &c->err));
    dv_att_writer_abort(w);
    CF_OK(cf_merge(t, &e, 1, &c->arena, &c->err));
    CF_OK(dv_att_writer_open(c->store, t, DV_ATT_AS_IS, 0, &w, &c->err));
    CF_OK(dv_att_writer_append(w, dv_buf_slice(&bytes), &c->err));
    cf_commit(c, t);
    dv_att_writer_abort(w); /* after the transaction has ended: compaction's affair */
    cf_body_is(c, "a", "{}");
    cf_reopen(c);
    cf_compact(c, 1);
    nothing_is_stored(c);
    dv_buf_fini(&bytes);
}

static void two_writers_at_once_do_not_mix(struct cf *c)
{
    struct dv_att_writer *w[2];
    struct dv_att_info info[2];
    struct dv_buf bytes[2];

    cf_create(c);
    for (size_t i = 0; i < 2; i++) {
        dv_buf_init(&bytes[i], CF_ANY);
        cf_random(&bytes[i], 4 * CHUNK, i);
        CF_OK(dv_att_writer_open(c->store, NULL, DV_ATT_AS_IS, 0, &w[i], &c->err));
    }
    for (size_t at = 0; at < 4 * CHUNK; at += CHUNK / 2)
        for (size_t i = 0; i < 2; i++)
            CF_OK(dv_att_writer_append(w[i], dv_slice(bytes[i].p + at, CHUNK / 2), &c->err));
    for (size_t i = 0; i < 2; i++)
        CF_OK(dv_att_writer_finish(w[i], &info[i], &c->err));
    for (size_t i = 0; i < 2; i++) {
        cf_att_is(c, &info[i].key, dv_buf_slice(&bytes[i]));
        dv_buf_fini(&bytes[i]);
    }
}

/* To a database of this engine, and of the other ones if `engine` is not c's. */
static void copy_to(struct cf *c, const struct dv_engine *engine)
{
    static const size_t lengths[] = { 0, 10, CHUNK, 3 * CHUNK + 1 };
    struct cf to;
    char path[sizeof(c->path) + 20];

    snprintf(path, sizeof(path), "%.480s-copy.divan", c->path);
    cf_init(&to, engine, path);
    cf_create(&to);
    for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
        struct dv_att_info from, copy;
        struct dv_buf bytes;

        dv_buf_init(&bytes, CF_ANY);
        cf_random(&bytes, lengths[i], i);
        CF_OK(cf_att_write(c->store, NULL, DV_ATT_COMPRESS, dv_buf_slice(&bytes), 4096, &from,
                           &c->err));
        for (int twice = 0; twice < 2; twice++) {
            CF_OK(dv_att_copy(c->store, &from.key, to.store, &copy, &c->err));
            ck_assert_mem_eq(&from.key, &copy.key, sizeof(from.key));
            ck_assert_uint_eq(copy.stored_bytes, from.stored_bytes);
            ck_assert_uint_eq(copy.decoded_bytes, lengths[i]);
            ck_assert_mem_eq(copy.md5_stored, from.md5_stored, 16);
            ck_assert_mem_eq(copy.md5_decoded, from.md5_decoded, 16);
            ck_assert(dv_store_att_is_active(to.store, &copy));
        }
        cf_compact(&to, 1); /* kept as after finish */
        dv_buf_reset(&bytes);
        CF_OK(cf_att_read(c->store, NULL, &from.key, 0, UINT64_MAX, &bytes, &c->err));
        cf_att_is(&to, &copy.key, dv_buf_slice(&bytes));
        dv_buf_fini(&bytes);
    }
    ck_assert_uint_eq(cf_account(&to).attachments, 4);
    cf_fini(&to);
}

static void a_copy_to_another_database_is_equal_and_kept(struct cf *c)
{
    cf_create(c);
    copy_to(c, c->engine);
    copy_to(c, &dv_engine_memory);
}

static void a_copy_into_its_own_database_keeps_it_once_more(struct cf *c)
{
    struct dv_att_info info, copy;
    struct dv_att_key unknown = { .encoding = DV_ENC_IDENTITY };

    cf_create(c);
    CF_OK(cf_att_write(c->store, NULL, DV_ATT_AS_IS, cf_str("hello"), 9, &info, &c->err));
    CF_OK(dv_att_copy(c->store, &info.key, c->store, &copy, &c->err));
    cf_compact(c, 1);
    cf_att_is(c, &info.key, cf_str("hello"));
    ck_assert_uint_eq(cf_account(c).attachments, 1);
    CF_FAILS(dv_att_copy(c->store, &unknown, c->store, &copy, &c->err), DV_ENOTFOUND);
}

static const struct cf_case cases[] = {
    CF_CASE(random_bytes_written_in_chunks_come_back_after_reopen, 0),
    CF_CASE(a_stream_from_before_a_close_and_open_is_not_active, 0),
    CF_CASE(a_writer_that_dies_leaves_nothing_behind_after_open_and_compaction, DV_ABLE_SHARED),
    CF_CASE(an_aborted_writer_leaves_nothing_behind, 0),
    CF_CASE(lengths_around_the_borders_of_chunks, 0),
    CF_CASE(ranges_across_the_borders_of_chunks, 0),
    CF_CASE(an_unknown_attachment_is_not_found, 0),
    CF_CASE(more_than_max_bytes_is_too_big_and_leaves_nothing, 0),
    CF_CASE(the_same_content_is_stored_once, 0),
    CF_CASE(it_is_kept_until_a_body_refers_to_it, 0),
    CF_CASE(a_forgotten_one_goes_with_compaction, 0),
    CF_CASE(one_that_nobody_refers_to_goes_after_close_open_and_compaction, 0),
    CF_CASE(one_that_another_opening_keeps_stays, 0),
    CF_CASE(with_a_transaction_all_of_it_belongs_to_that_transaction, 0),
    CF_CASE(a_writer_aborted_in_a_transaction_leaves_the_rest_of_it, 0),
    CF_CASE(two_writers_at_once_do_not_mix, 0),
    CF_CASE(a_copy_to_another_database_is_equal_and_kept, 0),
    CF_CASE(a_copy_into_its_own_database_keeps_it_once_more, 0),
};
CF_GROUP(cf_attachments, "attachments");

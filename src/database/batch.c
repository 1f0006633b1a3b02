/* The first half of a write: lifetime of batches, and the calls that are both halves. */
#include "base/mem.h"
#include "database/prepare.h"

/* Batches whose memory is kept: as many as a strand may have in flight at a time is plenty, and
 * only of ordinary size. */
enum { SPARE_MAX = 8, SPARE_BYTES = 4 * 1024 * 1024 };

static void destroy(struct dv_batch *b)
{
    dv_arena_fini(&b->arena);
    dv_free(b->edits);
    dv_free(b->results);
    dv_free(b);
}

void dv_batch_destroy_spare(struct dv_database *db)
{
    struct dv_batch *b = db->spare_batches;

    db->spare_batches = b->next;
    destroy(b);
}

static struct dv_batch *take_spare(struct dv_database *db)
{
    struct dv_batch *b;

    pthread_mutex_lock(&db->lock);
    b = db->spare_batches;
    if (b) {
        db->spare_batches = b->next;
        db->n_spare_batches--;
    }
    pthread_mutex_unlock(&db->lock);
    return b;
}

int dv_batch_new(struct dv_database *db, size_t n, struct dv_batch **batch, struct dv_err *err)
{
    struct dv_batch *b = take_spare(db);
    size_t capacity;

    if (!b) {
        b = dv_calloc(1, sizeof(*b));
        if (!b)
            return dv_err_set(err, DV_ENOMEM, "a batch");
        b->db = db;
        dv_arena_init(&b->arena, DV_CALL_ARENA_BYTES);
    }
    capacity = b->capacity;
    if (!dv_grow(&b->edits, &capacity, n, sizeof(b->edits[0])) ||
        !dv_grow(&b->results, &b->capacity, n, sizeof(b->results[0]))) {
        destroy(b);
        return dv_err_set(err, DV_ENOMEM, "a batch of %zu documents", n);
    }
    b->n = n;
    *batch = b;
    return 0;
}

size_t dv_batch_size(const struct dv_batch *b)
{
    return b->n;
}

size_t dv_batch_bytes(const struct dv_batch *b)
{
    return b->arena.used_bytes + b->n * (sizeof(b->edits[0]) + sizeof(b->results[0]));
}

const struct dv_edit_result *dv_batch_results(const struct dv_batch *b)
{
    return b->results;
}

void dv_batch_free(struct dv_batch *b)
{
    struct dv_database *db;

    if (!b)
        return;
    db = b->db;
    if (b->arena.used_bytes <= SPARE_BYTES && b->capacity <= SPARE_BYTES / sizeof(b->results[0])) {
        dv_arena_reset(&b->arena);
        pthread_mutex_lock(&db->lock);
        if (db->n_spare_batches < SPARE_MAX) {
            b->next = db->spare_batches;
            db->spare_batches = b;
            db->n_spare_batches++;
            b = NULL;
        }
        pthread_mutex_unlock(&db->lock);
    }
    if (b)
        destroy(b);
}

int dv_batch_prepare(struct dv_database *db, const struct dv_edit *edits, size_t n, bool replicated,
                     struct dv_batch **batch, struct dv_err *err)
{
    struct dv_parser parser;
    struct dv_batch *b;
    int code = dv_batch_new(db, n, &b, err);

    if (code < 0)
        return code;
    code = dv_parser_init(&parser, db, b, err);
    for (size_t i = 0; code == 0 && i < n; i++)
        code = dv_prepare_edit(&parser, &edits[i], replicated, &b->edits[i], &b->results[i], err);
    dv_parser_fini(&parser);
    if (code < 0) {
        dv_batch_free(b);
        return code;
    }
    *batch = b;
    return 0;
}

/* Results that outlive the batch. */
static int copy_results(const struct dv_batch *b, struct dv_arena *arena,
                        struct dv_edit_result *results, struct dv_err *err)
{
    for (size_t i = 0; i < b->n; i++) {
        results[i] = b->results[i];
        results[i].id = dv_arena_copy(arena, results[i].id);
        results[i].rev = dv_arena_copy(arena, results[i].rev);
        if (b->results[i].err) {
            struct dv_err *why = dv_arena_alloc(arena, sizeof(*why));

            results[i].err = why;
            if (why)
                *why = *b->results[i].err;
        }
        if (!results[i].id.p || !results[i].rev.p || (results[i].code < 0 && !results[i].err))
            return dv_err_set(err, DV_ENOMEM, "results");
    }
    return 0;
}

int dv_database_write(struct dv_database *db, const struct dv_edit *edits, size_t n,
                      const struct dv_write_options *opt, struct dv_arena *arena,
                      struct dv_edit_result *results, struct dv_err *err)
{
    struct dv_batch *b;
    int code = dv_batch_prepare(db, edits, n, opt && opt->replicated, &b, err);

    if (code < 0)
        return code;
    code = dv_database_apply(db, &b, 1, opt ? opt->commit : DV_COMMIT_LAZY, err);
    if (code == 0)
        code = copy_results(b, arena, results, err);
    dv_batch_free(b);
    return code;
}

int dv_database_put_attachment(struct dv_database *db, struct dv_slice id, struct dv_slice rev,
                               const struct dv_edit_attachment *att, bool remove,
                               enum dv_commit commit, struct dv_arena *arena,
                               struct dv_edit_result *result, struct dv_err *err)
{
    struct dv_batch *b;
    int code = dv_batch_new(db, 1, &b, err);

    if (code < 0)
        return code;
    code = dv_prepare_attachment(b, id, rev, att, remove, err);
    if (code == 0)
        code = dv_database_apply(db, &b, 1, commit, err);
    if (code == 0)
        code = copy_results(b, arena, result, err);
    dv_batch_free(b);
    return code;
}

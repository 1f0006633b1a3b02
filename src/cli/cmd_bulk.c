/* divan doc bulk: this thread reads, prepares and prints, a strand stores; batches pass between
 * them in order. The strand gives a batch back on its own thread, where it only joins the queue of
 * what is to be printed. */
#include <inttypes.h>
#include <pthread.h>

#include "base/mem.h"
#include "cli/command.h"
#include "cli/commands.h"
#include "cli/docs_in.h"
#include "cli/json_out.h"
#include "cli/report.h"
#include "database/strand.h"

/* A transaction's worth; and no more text than a few of the largest documents together. */
enum { BATCH_DOCS = 1000, BATCH_BYTES = 8 << 20, BATCHES_AHEAD = 4, LINE_BYTES_MAX = 128 * 1024 };

#define BATCH_BYTES_MAX ((size_t)300 << 20)

struct bulk {
    struct dv_cli *cli;
    struct dv_database *db;
    struct dv_strand *strand;
    bool replicated;
    /* the batch that is being filled; texts one behind the other */
    struct dv_edit edits[BATCH_DOCS];
    size_t ends[BATCH_DOCS];
    size_t n;
    struct dv_buf text;
    struct dv_buf line;
    uint64_t stored, refused;
    /* what came back and was not printed yet, oldest first */
    pthread_mutex_t lock;
    struct dv_batch *done[BATCHES_AHEAD * 2]; /* owned */
    size_t n_done;
    int code; /* the first batch that failed as a whole */
    struct dv_err err;
};

/* On a pool thread. There is room: no more batches are under way than that. */
static void batch_done(void *arg, struct dv_batch *batch, int code, const struct dv_err *err)
{
    struct bulk *b = arg;

    pthread_mutex_lock(&b->lock);
    if (code < 0 && b->code == 0) {
        b->code = code;
        b->err = *err;
    }
    if (b->code < 0)
        dv_batch_free(batch);
    else
        b->done[b->n_done++] = batch;
    pthread_mutex_unlock(&b->lock);
}

static int print_refusal(struct bulk *b, const struct dv_edit_result *r, struct dv_err *err)
{
    dv_report_add_visible(&b->line, r->id);
    dv_buf_add_str(&b->line, ": ");
    dv_buf_add_str(&b->line, r->err->name);
    dv_buf_add_str(&b->line, ": ");
    dv_report_add_visible(&b->line, dv_slice_str(r->err->reason));
    return dv_output_line(&b->cli->out, &b->line, err);
}

static int print_batch(struct bulk *b, const struct dv_batch *batch, struct dv_err *err)
{
    const struct dv_edit_result *results = dv_batch_results(batch);
    size_t n = dv_batch_size(batch);
    int code = 0;

    for (size_t i = 0; code == 0 && i < n; i++) {
        dv_buf_reset(&b->line);
        if (results[i].code < 0)
            b->refused++;
        else
            b->stored++;
        if (!b->cli->people) {
            dv_out_edit_result(&b->line, &results[i]);
            code = dv_output_line(&b->cli->out, &b->line, err);
        } else if (results[i].code < 0) {
            code = print_refusal(b, &results[i], err);
        }
    }
    return code;
}

/* Print what has come back. *n is how many batches that were. */
static int print_done(struct bulk *b, struct dv_err *err)
{
    struct dv_batch *done[BATCHES_AHEAD * 2];
    size_t n;
    int code;

    pthread_mutex_lock(&b->lock);
    n = b->n_done;
    memcpy(done, b->done, n * sizeof(done[0]));
    b->n_done = 0;
    code = b->code;
    if (code < 0)
        *err = b->err;
    pthread_mutex_unlock(&b->lock);
    for (size_t i = 0; i < n; i++) {
        if (code == 0)
            code = print_batch(b, done[i], err);
        dv_batch_free(done[i]);
    }
    return code;
}

static int submit(struct bulk *b, struct dv_err *err)
{
    struct dv_batch *batch;
    size_t start = 0;
    int code;

    for (size_t i = 0; i < b->n; i++) {
        b->edits[i] = (struct dv_edit){ .json = dv_slice(b->text.p + start, b->ends[i] - start) };
        start = b->ends[i];
    }
    code = dv_batch_prepare(b->db, b->edits, b->n, b->replicated, &batch, err);
    if (code < 0)
        return code;
    b->n = 0;
    dv_buf_reset(&b->text);
    code = dv_strand_submit_wait(b->strand, batch, DV_COMMIT_LAZY, batch_done, b, err);
    if (code < 0) {
        dv_batch_free(batch);
        return code;
    }
    return print_done(b, err);
}

static int add_document(void *arg, struct dv_slice json, struct dv_err *err)
{
    struct bulk *b = arg;

    if (dv_buf_add_slice(&b->text, json) < 0)
        return dv_err_set(err, b->text.failed, "no memory for a batch");
    b->ends[b->n++] = b->text.n;
    return b->n == BATCH_DOCS || b->text.n >= BATCH_BYTES ? submit(b, err) : 0;
}

static int read_and_store(struct bulk *b, struct dv_err *err)
{
    struct dv_input in;
    int rest, code = dv_input_open(b->cli, 1, &in, err);

    if (code < 0)
        return code;
    code = dv_docs_in_read(&in, b->replicated, add_document, b, err);
    dv_input_close(&in);
    if (b->n > 0 && code == 0)
        code = submit(b, err);
    /* What is under way is stored and printed also when the input ended badly. */
    dv_strand_drain(b->strand);
    rest = print_done(b, code == 0 ? err : &b->err);
    if (code == 0)
        code = rest;
    rest = dv_database_sync(b->db, code == 0 ? err : NULL);
    return code == 0 ? rest : code;
}

static int finish(struct bulk *b, struct dv_err *err)
{
    int status = b->refused ? DV_EXIT_DOCUMENTS : DV_EXIT_OK;
    int code = 0;

    if (b->cli->people)
        code = dv_output_printf(&b->cli->out, err, "%" PRIu64 " stored, %" PRIu64 " refused\n",
                                b->stored, b->refused);
    return code < 0 ? code : status;
}

static int run_bulk(struct bulk *b, struct dv_err *err)
{
    struct dv_strand_options opt = { .max_batches = BATCHES_AHEAD };
    struct dv_pool *pool;
    int code = dv_pool_new(1, &pool, err);

    if (code < 0)
        return code;
    code = dv_strand_new(pool, b->db, &opt, &b->strand, err);
    if (code == 0) {
        code = read_and_store(b, err);
        dv_strand_free(b->strand);
    }
    dv_pool_free(pool);
    return code < 0 ? code : finish(b, err);
}

int dv_cmd_doc_bulk(struct dv_cli *cli, struct dv_err *err)
{
    struct bulk *b = dv_calloc(1, sizeof(*b));
    int code;

    if (!b)
        return dv_err_set(err, DV_ENOMEM, "out of memory");
    b->cli = cli;
    b->replicated = dv_options_flag(&cli->options, "replicated");
    cli->limits.max_document_bytes = dv_options_number(&cli->options, "max-document-size", 0);
    cli->limits.max_attachment_bytes = dv_options_number(&cli->options, "max-attachment-size", 0);
    dv_cli_catch_interrupts();
    dv_buf_init(&b->text, BATCH_BYTES_MAX);
    dv_buf_init(&b->line, LINE_BYTES_MAX);
    pthread_mutex_init(&b->lock, NULL);
    code = dv_cli_open(cli, DV_USE_WRITE, &b->db, err);
    if (code == 0) {
        code = run_bulk(b, err);
        dv_database_close(b->db);
        if (code < 0)
            dv_err_wrap(err, code, "store documents in %s", dv_cli_operand(cli, 0).p);
    }
    pthread_mutex_destroy(&b->lock);
    dv_buf_fini(&b->line);
    dv_buf_fini(&b->text);
    dv_free(b);
    return code;
}

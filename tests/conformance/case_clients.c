/* reference counting and epochs. */
#include <stdio.h>
#include <string.h>

#include "conformance/cf.h"

enum { CLIENTS = 1000 };

struct names {
    bool seen[CLIENTS];
    size_t n;
};

static void see_name(void *arg, const char *who)
{
    struct names *names = arg;
    int i;

    ck_assert_int_eq(sscanf(who, "client %d", &i), 1);
    ck_assert(!names->seen[i]);
    names->seen[i] = true;
    names->n++;
}

static void with_a_thousand_clients_holding_it_the_list_shows_them(struct cf *c)
{
    struct dv_hold *holds[CLIENTS];
    struct names names = { .n = 0 };

    cf_create(c);
    ck_assert_uint_eq(dv_store_holders(c->store, see_name, &names), 0);
    for (int i = 0; i < CLIENTS; i++) {
        char who[32];

        snprintf(who, sizeof(who), "client %d", i);
        CF_OK(dv_store_hold(c->store, who, &holds[i], &c->err));
    }
    ck_assert_uint_eq(dv_store_holders(c->store, see_name, &names), CLIENTS);
    ck_assert_uint_eq(names.n, CLIENTS);
    for (int i = 0; i < CLIENTS; i += 2)
        dv_store_release(holds[i]);
    memset(&names, 0, sizeof(names));
    ck_assert_uint_eq(dv_store_holders(c->store, see_name, &names), CLIENTS / 2);
    for (int i = 0; i < CLIENTS; i++)
        ck_assert(names.seen[i] == (i % 2 != 0));
    for (int i = 1; i < CLIENTS; i += 2)
        dv_store_release(holds[i]);
    memset(&names, 0, sizeof(names));
    ck_assert_uint_eq(dv_store_holders(c->store, see_name, &names), 0);
    ck_assert_uint_eq(names.n, 0);
}

static void a_store_lives_until_its_last_reference(struct cf *c)
{
    struct dv_store *refs[CLIENTS];

    cf_create(c);
    for (int i = 0; i < CLIENTS; i++)
        refs[i] = dv_store_ref(c->store);
    dv_store_unref(c->store); /* the one it was born with */
    for (int i = 0; i < CLIENTS - 1; i++)
        dv_store_unref(refs[i]);
    ck_assert_ptr_eq(refs[CLIENTS - 1], c->store);
    cf_put(c, "a", "x", "{}");
    cf_reopen(c);
    cf_body_is(c, "a", "{}");
}

/* ---- epochs ---- */

static void open_as(struct cf *c, const char *node)
{
    struct dv_store_options opt = { .busy_timeout_ms = 0 };

    memcpy(opt.node, node, strlen(node) + 1);
    cf_close(c);
    CF_OK(dv_store_open(c->engine, c->path, &opt, &c->store, &c->err));
}

/* "b5 a0": first letters of nodes and their seqs, newest first. */
static void epochs_are(struct cf *c, const char *want)
{
    struct dv_txn *t = cf_read(c);
    struct dv_epoch *epochs;
    char text[400] = "";
    size_t n, at = 0;

    CF_OK(dv_txn_epochs(t, &c->arena, &epochs, &n, &c->err));
    for (size_t i = 0; i < n && i < 20; i++)
        at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%c%llu", i ? " " : "",
                               epochs[i].node[0], (unsigned long long)epochs[i].seq);
    dv_txn_rollback(t);
    ck_assert_str_eq(text, want);
}

static void put_some(struct cf *c, const char *prefix, int n)
{
    for (int i = 0; i < n; i++) {
        char id[16];

        snprintf(id, sizeof(id), "%s%d", prefix, i);
        cf_put(c, id, "x", "{}");
    }
}

static void takeover_by_another_node_records_node_and_seq(struct cf *c)
{
    cf_create(c);
    put_some(c, "a", 10);
    open_as(c, CF_NODE_B);
    epochs_are(c, "b10 a0");
    put_some(c, "b", 10);
    open_as(c, CF_NODE_C);
    epochs_are(c, "c20 b10 a0");
    put_some(c, "c", 1);
    open_as(c, CF_NODE_A);
    epochs_are(c, "a21 c20 b10 a0");
    cf_compact(c, 0);
    epochs_are(c, "a21 c20 b10 a0");
}

static void reopening_by_the_same_node_adds_nothing(struct cf *c)
{
    cf_create(c);
    put_some(c, "a", 3);
    cf_reopen(c);
    epochs_are(c, "a0");
    put_some(c, "b", 3);
    cf_reopen(c);
    cf_reopen(c);
    epochs_are(c, "a0");
}

static void two_takeovers_at_the_same_seq_keep_the_newest(struct cf *c)
{
    cf_create(c);
    put_some(c, "a", 10);
    open_as(c, CF_NODE_B);
    epochs_are(c, "b10 a0");
    open_as(c, CF_NODE_C);
    epochs_are(c, "c10 a0");
    put_some(c, "c", 1);
    open_as(c, CF_NODE_B);
    epochs_are(c, "b11 c10 a0");
}

static void an_owner_that_never_wrote_is_dropped(struct cf *c)
{
    cf_create(c);
    open_as(c, CF_NODE_B); /* A never wrote */
    epochs_are(c, "b0");
    put_some(c, "b", 2);
    open_as(c, CF_NODE_C); /* C never writes */
    open_as(c, CF_NODE_A);
    epochs_are(c, "a2 b0");
}

static void an_opening_without_a_node_takes_no_ownership(struct cf *c)
{
    cf_create(c);
    put_some(c, "a", 2);
    open_as(c, "");
    epochs_are(c, "a0");
    put_some(c, "b", 2);
    epochs_are(c, "a0");
}

static const struct cf_case cases[] = {
    CF_CASE(with_a_thousand_clients_holding_it_the_list_shows_them, 0),
    CF_CASE(a_store_lives_until_its_last_reference, 0),
    CF_CASE(takeover_by_another_node_records_node_and_seq, 0),
    CF_CASE(reopening_by_the_same_node_adds_nothing, 0),
    CF_CASE(two_takeovers_at_the_same_seq_keep_the_newest, 0),
    CF_CASE(an_owner_that_never_wrote_is_dropped, 0),
    CF_CASE(an_opening_without_a_node_takes_no_ownership, 0),
};
CF_GROUP(cf_clients, "reference counting, epochs");

/* See crashdisk.h. */
#include "lib/crashdisk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rand.h"

struct entry {
    char *name;                /* owned */
    struct crash_node *now;    /* referenced, or NULL: no such name */
    struct crash_node *safe;   /* referenced, or NULL */
    struct crash_node **steps; /* referenced or NULL: what it said after each step since the sync */
    size_t n_steps;
};

struct crash_disk {
    struct entry *entries; /* owned */
    size_t n;
};

static void *need(void *p)
{
    if (!p) {
        fputs("crashdisk: out of memory\n", stderr);
        abort();
    }
    return p;
}

/* ---- files ---------------------------------------------------------------------------------- */

static void bytes_resize(struct crash_bytes *b, size_t n)
{
    if (n > b->room) {
        b->room = n + n / 2 + 4096;
        b->p = need(realloc(b->p, b->room));
    }
    if (n > b->n)
        memset(b->p + b->n, 0, n - b->n);
    b->n = n;
}

static void bytes_write(struct crash_bytes *b, const void *p, size_t n, size_t at)
{
    if (at + n > b->n)
        bytes_resize(b, at + n);
    if (n > 0)
        memcpy(b->p + at, p, n);
}

struct crash_node *crashnode_new(void)
{
    struct crash_node *f = need(calloc(1, sizeof(*f)));

    f->refs = 1;
    return f;
}

struct crash_node *crashnode_ref(struct crash_node *f)
{
    if (f)
        f->refs++;
    return f;
}

static void drop_changes(struct crash_node *f)
{
    for (size_t i = 0; i < f->n_changes; i++)
        free(f->changes[i].bytes);
    f->n_changes = 0;
}

void crashnode_unref(struct crash_node *f)
{
    if (!f || --f->refs > 0)
        return;
    drop_changes(f);
    free(f->changes);
    free(f->now.p);
    free(f->safe.p);
    crashlock_fini(&f->locks);
    free(f);
}

static struct crash_change *add_change(struct crash_node *f, size_t at, size_t n)
{
    if (f->n_changes == f->room) {
        f->room = f->room ? 2 * f->room : 16;
        f->changes = need(realloc(f->changes, f->room * sizeof(*f->changes)));
    }
    f->changes[f->n_changes] = (struct crash_change){ .at = at, .n = n };
    return &f->changes[f->n_changes++];
}

void crashnode_write(struct crash_node *f, const void *p, size_t n, size_t at)
{
    struct crash_change *c;

    if (n == 0)
        return;
    c = add_change(f, at, n);
    c->bytes = need(malloc(n));
    memcpy(c->bytes, p, n);
    bytes_write(&f->now, p, n, at);
}

void crashnode_truncate(struct crash_node *f, size_t n)
{
    add_change(f, n, 0);
    bytes_resize(&f->now, n);
}

void crashnode_sync(struct crash_node *f)
{
    for (size_t i = 0; i < f->n_changes; i++) {
        const struct crash_change *c = &f->changes[i];

        if (c->bytes)
            bytes_write(&f->safe, c->bytes, c->n, c->at);
        else
            bytes_resize(&f->safe, c->at);
    }
    drop_changes(f);
}

void crashnode_lose(struct crash_node *f)
{
    drop_changes(f);
}

/* ---- names ---------------------------------------------------------------------------------- */

struct crash_disk *crashdisk_new(void)
{
    return need(calloc(1, sizeof(struct crash_disk)));
}

static void forget_steps(struct entry *e)
{
    for (size_t i = 0; i < e->n_steps; i++)
        crashnode_unref(e->steps[i]);
    free(e->steps);
    e->steps = NULL;
    e->n_steps = 0;
}

void crashdisk_free(struct crash_disk *d)
{
    if (!d)
        return;
    for (size_t i = 0; i < d->n; i++) {
        struct entry *e = &d->entries[i];

        forget_steps(e);
        crashnode_unref(e->now);
        crashnode_unref(e->safe);
        free(e->name);
    }
    free(d->entries);
    free(d);
}

static struct entry *find_entry(const struct crash_disk *d, const char *name)
{
    for (size_t i = 0; i < d->n; i++)
        if (strcmp(d->entries[i].name, name) == 0)
            return &d->entries[i];
    return NULL;
}

static struct entry *make_entry(struct crash_disk *d, const char *name)
{
    struct entry *e = find_entry(d, name);

    if (e)
        return e;
    d->entries = need(realloc(d->entries, (d->n + 1) * sizeof(*e)));
    e = &d->entries[d->n++];
    *e = (struct entry){ .name = need(strdup(name)) };
    return e;
}

struct crash_node *crashdisk_find(const struct crash_disk *d, const char *name)
{
    struct entry *e = find_entry(d, name);

    return e ? e->now : NULL;
}

/* Takes the reference. */
static void entry_step(struct entry *e, struct crash_node *f)
{
    crashnode_unref(e->now);
    e->now = f;
    e->steps = need(realloc(e->steps, (e->n_steps + 1) * sizeof(*e->steps)));
    e->steps[e->n_steps++] = crashnode_ref(f);
}

struct crash_node *crashdisk_create(struct crash_disk *d, const char *name)
{
    struct crash_node *f = crashnode_new();

    entry_step(make_entry(d, name), f);
    return f;
}

void crashdisk_unlink(struct crash_disk *d, const char *name)
{
    entry_step(find_entry(d, name), NULL);
}

static size_t folder_length(const char *name)
{
    const char *slash = strrchr(name, '/');

    return slash ? (size_t)(slash - name) : 0;
}

void crashdisk_sync_folder(struct crash_disk *d, const char *name)
{
    size_t n = folder_length(name);

    for (size_t i = 0; i < d->n; i++) {
        struct entry *e = &d->entries[i];

        if (folder_length(e->name) != n || strncmp(e->name, name, n) != 0)
            continue;
        crashnode_unref(e->safe);
        e->safe = crashnode_ref(e->now);
        forget_steps(e);
    }
}

/* ---- the cut -------------------------------------------------------------------------------- */

/* One sector's part of one write. */
struct piece {
    const unsigned char *bytes;
    size_t n, at;
};

static size_t split_write(const struct crash_change *c, struct piece *out)
{
    size_t count = 0;

    for (size_t done = 0; done < c->n;) {
        size_t at = c->at + done;
        size_t n = CRASH_SECTOR_BYTES - at % CRASH_SECTOR_BYTES;

        if (n > c->n - done)
            n = c->n - done;
        out[count++] = (struct piece){ c->bytes + done, n, at };
        done += n;
    }
    return count;
}

static void shuffle(struct piece *pieces, size_t n, struct dv_rng *rng)
{
    for (size_t i = n; i > 1; i--) {
        size_t j = dv_rng_below(rng, i);
        struct piece t = pieces[i - 1];

        pieces[i - 1] = pieces[j];
        pieces[j] = t;
    }
}

/* How a seed treats one file. */
struct fate {
    struct dv_rng *rng;
    unsigned keep; /* of 8 sectors, on average */
    bool reorder;
    bool grow; /* lengths are kept where bytes are not */
};

static bool is_kept(const struct fate *fate)
{
    return dv_rng_below(fate->rng, 8) < fate->keep;
}

/* The writes changes[from..to) as the fate has them. */
static void replay_writes(const struct crash_node *f, size_t from, size_t to, struct fate *fate,
                          struct crash_bytes *out)
{
    struct piece *pieces;
    size_t room = 0, n = 0;

    for (size_t i = from; i < to; i++)
        room += f->changes[i].n / CRASH_SECTOR_BYTES + 2;
    pieces = need(malloc((room + 1) * sizeof(*pieces)));
    for (size_t i = from; i < to; i++) {
        n += split_write(&f->changes[i], pieces + n);
        if (fate->grow && f->changes[i].at + f->changes[i].n > out->n)
            bytes_resize(out, f->changes[i].at + f->changes[i].n);
    }
    if (fate->reorder)
        shuffle(pieces, n, fate->rng);
    for (size_t i = 0; i < n; i++)
        if (is_kept(fate))
            bytes_write(out, pieces[i].bytes, pieces[i].n, pieces[i].at);
    free(pieces);
}

static void tear(const struct crash_node *f, struct dv_rng *rng, struct crash_bytes *out)
{
    static const unsigned odds[] = { 0, 1, 4, 7, 8 };
    struct fate fate = { .rng = rng };
    size_t from = 0;

    fate.keep = odds[dv_rng_below(rng, sizeof(odds) / sizeof(odds[0]))];
    fate.reorder = dv_rng_below(rng, 2);
    fate.grow = dv_rng_below(rng, 4) == 0;
    for (size_t i = 0; i <= f->n_changes; i++) {
        if (i < f->n_changes && f->changes[i].bytes)
            continue;
        replay_writes(f, from, i, &fate, out);
        if (i < f->n_changes && is_kept(&fate))
            bytes_resize(out, f->changes[i].at);
        from = i + 1;
    }
}

static struct crash_node *cut_node(const struct crash_node *f, enum crash_cut how,
                                   struct dv_rng *rng)
{
    const struct crash_bytes *base = how == CRASH_CUT_NONE ? &f->now : &f->safe;
    struct crash_node *left = crashnode_new();

    bytes_write(&left->safe, base->p, base->n, 0);
    if (how == CRASH_CUT_TORN)
        tear(f, rng, &left->safe);
    bytes_write(&left->now, left->safe.p, left->safe.n, 0);
    return left;
}

struct crash_disk *crashdisk_cut(const struct crash_disk *d, enum crash_cut how, uint64_t seed)
{
    struct crash_disk *left = crashdisk_new();
    struct dv_rng rng;

    dv_rng_seed(&rng, seed);
    for (size_t i = 0; i < d->n; i++) {
        const struct entry *e = &d->entries[i];
        const struct crash_node *f = how == CRASH_CUT_NONE ? e->now : e->safe;

        if (how == CRASH_CUT_TORN && e->n_steps > 0) {
            size_t shown = dv_rng_below(&rng, e->n_steps + 1);

            f = shown > 0 ? e->steps[shown - 1] : e->safe;
        }
        if (f) {
            struct entry *copy = make_entry(left, e->name);

            copy->now = cut_node(f, how, &rng);
            copy->safe = crashnode_ref(copy->now);
        }
    }
    return left;
}

/* Bump allocation in 16 KiB blocks; larger requests get a block of their own. */
#include "base/arena.h"

#include <stdalign.h>
#include <stddef.h>
#include <stdint.h>

#include "base/mem.h"

enum { BLOCK_BYTES = 16 * 1024 };

struct dv_arena_block {
    struct dv_arena_block *next;
    size_t used;
    size_t capacity;
    alignas(max_align_t) char data[];
};

void dv_arena_init(struct dv_arena *a, size_t max_bytes)
{
    memset(a, 0, sizeof(*a));
    a->max_bytes = max_bytes;
}

static void free_list(struct dv_arena_block *b)
{
    while (b) {
        struct dv_arena_block *next = b->next;

        dv_free(b);
        b = next;
    }
}

void dv_arena_fini(struct dv_arena *a)
{
    free_list(a->blocks);
    free_list(a->spare);
    a->blocks = a->spare = NULL;
    a->used_bytes = 0;
}

void dv_arena_reset(struct dv_arena *a)
{
    while (a->blocks) {
        struct dv_arena_block *b = a->blocks;

        a->blocks = b->next;
        if (b->capacity != BLOCK_BYTES) {
            dv_free(b);
            continue;
        }
        b->used = 0;
        b->next = a->spare;
        a->spare = b;
    }
    a->used_bytes = 0;
}

static struct dv_arena_block *new_block(struct dv_arena *a, size_t bytes)
{
    struct dv_arena_block *b = a->spare;

    if (bytes <= BLOCK_BYTES && b) {
        a->spare = b->next;
    } else {
        size_t capacity = bytes <= BLOCK_BYTES ? BLOCK_BYTES : bytes;

        b = dv_malloc(sizeof(*b) + capacity);
        if (!b)
            return NULL;
        b->used = 0;
        b->capacity = capacity;
    }
    b->next = a->blocks;
    a->blocks = b;
    return b;
}

void *dv_arena_alloc(struct dv_arena *a, size_t bytes)
{
    struct dv_arena_block *b = a->blocks;
    void *p;

    if (bytes > a->max_bytes || a->used_bytes > a->max_bytes - bytes)
        return NULL;
    bytes = (bytes + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
    if (!b || b->capacity - b->used < bytes)
        b = new_block(a, bytes);
    if (!b)
        return NULL;
    p = b->data + b->used;
    b->used += bytes;
    a->used_bytes += bytes;
    return p;
}

void *dv_arena_zalloc(struct dv_arena *a, size_t bytes)
{
    void *p = dv_arena_alloc(a, bytes);

    if (p)
        memset(p, 0, bytes);
    return p;
}

struct dv_slice dv_arena_copy(struct dv_arena *a, struct dv_slice s)
{
    char *p = s.n < SIZE_MAX ? dv_arena_alloc(a, s.n + 1) : NULL;

    if (!p)
        return dv_slice(NULL, 0);
    if (s.n)
        memcpy(p, s.p, s.n);
    p[s.n] = '\0';
    return dv_slice(p, s.n);
}

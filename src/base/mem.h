/* The heap, through one door, so that a test can fail the n-th allocation. Sizes are
 * checked for overflow where a count is multiplied. free(NULL) is fine. Thread-safe. */
#ifndef DV_BASE_MEM_H
#define DV_BASE_MEM_H

#include <stdbool.h>
#include <stddef.h>

/* NULL on failure. A size of 0 gives a unique pointer that can be freed. */
void *dv_malloc(size_t bytes);
void *dv_calloc(size_t count, size_t bytes);
void *dv_realloc(void *p, size_t bytes);
void dv_free(void *p);

void *dv_memdup(const void *p, size_t bytes); /* copy, with a NUL put behind it */
char *dv_strdup(const char *s);

/* Grow *array (element size `bytes`) so that it holds at least `need` elements; *capacity
 * is updated, growth is geometric. False when memory is out: nothing changed. */
bool dv_grow(void *array_ptr, size_t *capacity, size_t need, size_t bytes);

/* For tests: called before each allocation, true makes that one fail. NULL removes it.
 * Set while no other thread allocates. */
void dv_mem_set_fault(bool (*fail)(void *arg), void *arg);

#endif

/* malloc and friends behind the test's fault switch. */
#include "base/mem.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static bool (*fault)(void *arg);
static void *fault_arg;

void dv_mem_set_fault(bool (*fail)(void *arg), void *arg)
{
    fault = fail;
    fault_arg = arg;
}

static bool refuse(void)
{
    return fault && fault(fault_arg);
}

void *dv_malloc(size_t bytes)
{
    return refuse() ? NULL : malloc(bytes ? bytes : 1);
}

void *dv_calloc(size_t count, size_t bytes)
{
    return refuse() ? NULL : calloc(count ? count : 1, bytes ? bytes : 1);
}

void *dv_realloc(void *p, size_t bytes)
{
    return refuse() ? NULL : realloc(p, bytes ? bytes : 1);
}

void dv_free(void *p)
{
    free(p);
}

void *dv_memdup(const void *p, size_t bytes)
{
    char *copy;

    if (bytes == SIZE_MAX)
        return NULL;
    copy = dv_malloc(bytes + 1);
    if (!copy)
        return NULL;
    if (bytes)
        memcpy(copy, p, bytes);
    copy[bytes] = '\0';
    return copy;
}

char *dv_strdup(const char *s)
{
    return dv_memdup(s, strlen(s));
}

bool dv_grow(void *array_ptr, size_t *capacity, size_t need, size_t bytes)
{
    size_t cap = *capacity ? *capacity : 8;
    void *p;

    if (need <= *capacity)
        return true;
    while (cap < need) {
        if (cap > SIZE_MAX / 2)
            return false;
        cap *= 2;
    }
    if (cap > SIZE_MAX / bytes)
        return false;
    memcpy(&p, array_ptr, sizeof(p));
    p = dv_realloc(p, cap * bytes);
    if (!p)
        return false;
    memcpy(array_ptr, &p, sizeof(p));
    *capacity = cap;
    return true;
}

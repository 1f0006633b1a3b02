/* SQLite's memory, through the project's door: a test that fails the n-th allocation reaches SQLite
 * too. Its own statistics are off, which cost a global lock per allocation.
 *
 * Only before SQLite is first used in the process can it be told; later it stays as it is. */
#include <malloc.h>

#include "base/mem.h"
#include "engine/sqlite/internal.h"

static void *mem_malloc(int bytes)
{
    return dv_malloc((size_t)bytes);
}

static void *mem_realloc(void *p, int bytes)
{
    return dv_realloc(p, (size_t)bytes);
}

static int mem_size(void *p)
{
    return (int)malloc_usable_size(p);
}

static int mem_roundup(int bytes)
{
    return (bytes + 7) & ~7;
}

static int mem_init(void *arg)
{
    (void)arg;
    return SQLITE_OK;
}

static void mem_shutdown(void *arg)
{
    (void)arg;
}

static void configure(void)
{
    static const sqlite3_mem_methods methods = { mem_malloc,  dv_free,  mem_realloc,  mem_size,
                                                 mem_roundup, mem_init, mem_shutdown, NULL };

    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    sqlite3_config(SQLITE_CONFIG_MALLOC, &methods);
}

void dv_sqmemory_init(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, configure);
}

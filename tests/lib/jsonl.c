/* See jsonl.h. */
#include "lib/jsonl.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/check_main.h"

enum { ARENA_MAX = 256 << 20 };

size_t jsonl_each(const char *name, jsonl_fn *fn)
{
    const struct dv_json_limits limits = { .depth = 512 };
    struct dv_arena arena;
    char path[256], *line = NULL;
    size_t capacity = 0, lines = 0;
    ssize_t n;
    FILE *file;

    snprintf(path, sizeof(path), "vectors/%s", name);
    file = fopen(dv_test_path(path), "r");
    ck_assert_msg(file != NULL, "can not open %s", dv_test_path(path));
    dv_arena_init(&arena, ARENA_MAX);
    while ((n = getline(&line, &capacity, file)) > 0) {
        struct dv_json *root;
        struct dv_err err = { 0 };

        dv_arena_reset(&arena);
        ck_assert_msg(dv_json_tree(dv_slice(line, (size_t)n), &limits, &arena, &root, &err) == 0,
                      "line %zu of %s: %s", lines + 1, path, err.reason);
        fn(root, &arena, ++lines);
    }
    dv_arena_fini(&arena);
    free(line);
    fclose(file);
    return lines;
}

const struct dv_json *jsonl_get(const struct dv_json *object, const char *key)
{
    const struct dv_json *v = dv_json_get(object, key);

    ck_assert_msg(v != NULL, "no member %s", key);
    return v;
}

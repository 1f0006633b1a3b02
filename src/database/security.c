/* The security object and revs_limit. */
#include "database/internal.h"
#include "json/tree.h"

/* CouchDB answers 500 to most of these (recorded, step 205); the words are those of
 * couch_db:validate_names_and_roles/1. */
static int bad_shape(struct dv_err *err, const char *reason)
{
    return dv_err_set(err, DV_EINVAL, "%s", reason);
}

static bool is_strings(const struct dv_json *v)
{
    if (!v)
        return true;
    if (!dv_json_is(v, DV_JSON_IS_ARRAY))
        return false;
    for (const struct dv_json *item = v->first; item; item = item->next)
        if (!dv_json_is(item, DV_JSON_IS_STRING))
            return false;
    return true;
}

static int check_group(const struct dv_json *group, struct dv_err *err)
{
    if (!group)
        return 0;
    if (!dv_json_is(group, DV_JSON_IS_OBJECT))
        return bad_shape(err, "admins or members must be a JSON list of strings");
    if (!is_strings(dv_json_get(group, "names")))
        return bad_shape(err, "names must be a JSON list of strings");
    if (!is_strings(dv_json_get(group, "roles")))
        return bad_shape(err, "roles must be a JSON list of strings");
    return 0;
}

static int check_shape(struct dv_slice json, struct dv_arena *arena, struct dv_err *err)
{
    struct dv_json_limits limits = { .depth = 64, .total_bytes = 4u << 20 };
    const struct dv_json *members;
    struct dv_json *root;
    int code = dv_json_tree(json, &limits, arena, &root, err);

    if (code < 0)
        return code;
    if (!dv_json_is(root, DV_JSON_IS_OBJECT))
        return bad_shape(err, "Request body must be a JSON object");
    members = dv_json_get(root, "members");
    if (!members) /* the old name */
        members = dv_json_get(root, "readers");
    code = check_group(dv_json_get(root, "admins"), err);
    return code < 0 ? code : check_group(members, err);
}

static int set_security(void *arg, struct dv_txn *txn, struct dv_err *err)
{
    const struct dv_slice *json = arg;

    return dv_txn_set_security(txn, *json, err);
}

int dv_database_set_security(struct dv_database *db, struct dv_slice json, struct dv_err *err)
{
    struct dv_arena arena;
    int code;

    dv_arena_init(&arena, DV_CALL_ARENA_BYTES);
    code = check_shape(json, &arena, err);
    dv_arena_fini(&arena);
    if (code < 0)
        return code;
    return dv_database_update(db, DV_COMMIT_DURABLE, set_security, &json, err);
}

static int read_security(void *arg, struct dv_txn *txn, struct dv_err *err)
{
    return dv_txn_security(txn, arg, err);
}

int dv_database_security(struct dv_database *db, struct dv_buf *out, struct dv_err *err)
{
    return dv_database_view(db, read_security, out, err);
}

static int set_limit(void *arg, struct dv_txn *txn, struct dv_err *err)
{
    const uint64_t *limit = arg;

    return dv_txn_set_revs_limit(txn, *limit, err);
}

int dv_database_set_revs_limit(struct dv_database *db, uint64_t limit, struct dv_err *err)
{
    if (limit == 0 || limit > INT64_MAX)
        return dv_err_set(err, DV_EINVAL, "revs_limit must be a positive integer");
    return dv_database_update(db, DV_COMMIT_DURABLE, set_limit, &limit, err);
}

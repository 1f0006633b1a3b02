/* The underscore members of a document, gathered from events while the body is copied past them. */
#include <stdlib.h>

#include "base/mem.h"
#include "couch/docid.h"
#include "couch/document_parser.h"

enum { REVISIONS_MAX = 1 << 20, ATTACHMENTS_MAX = 1 << 20 };

/* Members inside _revisions and inside an attachment. */
enum field {
    F_OTHER,
    F_START,
    F_IDS,
    F_CONTENT_TYPE,
    F_DATA,
    F_STUB,
    F_FOLLOWS,
    F_REVPOS,
    F_DIGEST,
    F_LENGTH,
    F_ENCODING,
    F_ENCODED_LENGTH,
};

static const struct name {
    const char *name;
    int value;
} specials[] = {
    { "_id", SP_ID },
    { "_rev", SP_REV },
    { "_revisions", SP_REVISIONS },
    { "_deleted", SP_DELETED },
    { "_attachments", SP_ATTACHMENTS },
    { "_revs_info", SP_IGNORED },
    { "_local_seq", SP_IGNORED },
    { "_conflicts", SP_IGNORED },
    { "_deleted_conflicts", SP_IGNORED },
    { "_access", SP_KEPT },
    { "_replication_id", SP_KEPT },
    { "_replication_state", SP_KEPT },
    { "_replication_state_time", SP_KEPT },
    { "_replication_state_reason", SP_KEPT },
    { "_replication_stats", SP_KEPT },
}, fields[] = {
    { "start", F_START },
    { "ids", F_IDS },
    { "content_type", F_CONTENT_TYPE },
    { "data", F_DATA },
    { "stub", F_STUB },
    { "follows", F_FOLLOWS },
    { "revpos", F_REVPOS },
    { "digest", F_DIGEST },
    { "length", F_LENGTH },
    { "encoding", F_ENCODING },
    { "encoded_length", F_ENCODED_LENGTH },
};

enum special special_of(struct dv_slice key)
{
    if (key.n == 0 || *key.p != '_')
        return SP_NONE;
    for (size_t i = 0; i < sizeof(specials) / sizeof(specials[0]); i++)
        if (dv_slice_eq_str(key, specials[i].name))
            return (enum special)specials[i].value;
    return SP_UNKNOWN;
}

static enum field field_of(struct dv_slice key)
{
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
        if (dv_slice_eq_str(key, fields[i].name))
            return (enum field)fields[i].value;
    return F_OTHER;
}

static struct complaint *complain(struct dv_document_parser *p)
{
    struct complaint *c = &p->complaints[p->special];

    if (c->set)
        return NULL;
    c->set = true;
    c->position = p->special_start;
    return c;
}

static void unknown_member(struct dv_document_parser *p, struct dv_slice key)
{
    struct complaint *c = complain(p);

    if (c)
        dv_err_set(&c->err, DV_EVALIDATION, "Bad special document member: %.*s",
                   (int)(key.n > 200 ? 200 : key.n), key.p);
}

void special_begin(struct dv_document_parser *p, struct dv_slice key, uint64_t position)
{
    p->special = special_of(key);
    p->special_start = position;
    p->special_field = F_OTHER;
    if (p->special != SP_UNKNOWN)
        p->complaints[p->special].set = false; /* the last of duplicates is judged */
    switch (p->special) {
    case SP_UNKNOWN:
        unknown_member(p, key);
        break;
    case SP_REV:
        p->rev_given = false;
        break;
    case SP_REVISIONS:
        p->revisions_given = p->start_given = p->ids_given = false;
        p->n_ids = 0;
        break;
    case SP_DELETED:
        p->doc.deleted = false;
        break;
    case SP_ATTACHMENTS:
        p->n_atts = 0;
        break;
    default:
        break;
    }
}

static int no_memory(struct dv_err *err)
{
    return dv_err_set(err, DV_ENOMEM, NULL);
}

static bool whole_number(const struct dv_json_event *ev, uint64_t *out)
{
    uint64_t x = 0;

    if (ev->type != DV_JSON_NUMBER || ev->text.n == 0)
        return false;
    for (size_t i = 0; i < ev->text.n; i++) {
        unsigned d = (unsigned)(ev->text.p[i] - '0');

        if (d > 9 || x > ((UINT64_C(1) << 53) - d) / 10)
            return false;
        x = x * 10 + d;
    }
    *out = x;
    return true;
}

/* ---- _id, _rev, _deleted --------------------------------------------------------------------- */

static int take_id(struct dv_document_parser *p, const struct dv_json_event *ev, struct dv_err *err)
{
    struct complaint *c;
    struct dv_err bad;

    if (ev->type != DV_JSON_STRING) {
        c = complain(p);
        if (c)
            dv_err_set(&c->err, DV_EILLEGALID, "Document id must be a string");
        return 0;
    }
    if (dv_docid_check(ev->text, &bad) < 0) {
        c = complain(p);
        if (c)
            c->err = bad;
        return 0;
    }
    p->doc.has_id = true;
    p->doc.id = dv_arena_copy(p->arena, ev->text);
    return p->doc.id.p ? 0 : no_memory(err);
}

static int take_rev(struct dv_document_parser *p, const struct dv_json_event *ev,
                    struct dv_err *err)
{
    struct complaint *c;
    struct dv_slice text = dv_slice("", 0);
    struct dv_err bad;
    int rc;

    if (p->revisions_given && p->n_ids > 0)
        return 0; /* we have it from _revisions, as CouchDB does */
    if (ev->type == DV_JSON_STRING) {
        text = dv_arena_copy(p->arena, ev->text);
        if (!text.p)
            return no_memory(err);
    }
    rc = dv_rev_parse(text, p->arena, &p->rev, &bad);
    if (rc == DV_ENOMEM)
        return no_memory(err);
    p->rev_given = rc == 0;
    if (rc < 0 && (c = complain(p)))
        c->err = bad;
    return 0;
}

static void take_deleted(struct dv_document_parser *p, const struct dv_json_event *ev)
{
    if (ev->type == DV_JSON_BOOL)
        p->doc.deleted = ev->boolean;
    else
        unknown_member(p, DV_SLICE_LIT("_deleted"));
}

/* ---- _revisions
 * ----------------------------------------------------------------------------------- */

static int take_revision_id(struct dv_document_parser *p, const struct dv_json_event *ev,
                            struct dv_err *err)
{
    struct complaint *c;
    struct dv_slice text, id;
    struct dv_err bad;
    int rc;

    if (ev->type != DV_JSON_STRING || p->n_ids >= REVISIONS_MAX) {
        c = complain(p);
        if (c)
            dv_err_set(&c->err, DV_EVALIDATION,
                       ev->type != DV_JSON_STRING ? "RevId isn't a string"
                                                  : "_revisions.ids is too long");
        return 0;
    }
    text = dv_arena_copy(p->arena, ev->text);
    if (!text.p || !dv_grow(&p->ids, &p->cap_ids, p->n_ids + 1, sizeof(*p->ids)))
        return no_memory(err);
    rc = dv_rev_id_parse(text, p->arena, &id, &bad);
    if (rc == DV_ENOMEM)
        return no_memory(err);
    if (rc < 0) {
        c = complain(p);
        if (c)
            c->err = bad;
        return 0;
    }
    p->ids[p->n_ids++] = id;
    return 0;
}

static void judge_revisions(struct dv_document_parser *p)
{
    struct complaint *c;
    const char *bad = NULL;

    if (!p->start_given)
        bad = "_revisions.start isn't an integer.";
    else if (!p->ids_given)
        bad = "_revisions.ids isn't a array.";
    else if (p->n_ids > p->start)
        bad = "_revisions.ids is longer than _revisions.start";
    p->revisions_given = true;
    if (bad && (c = complain(p)))
        dv_err_set(&c->err, DV_EVALIDATION, "%s", bad);
}

static int revisions_event(struct dv_document_parser *p, const struct dv_json_event *ev,
                           struct dv_err *err)
{
    if (ev->depth == 1) {
        if (ev->type == DV_JSON_OBJECT_END)
            judge_revisions(p);
        else if (ev->type != DV_JSON_OBJECT)
            unknown_member(p, DV_SLICE_LIT("_revisions"));
        return 0;
    }
    if (ev->depth == 2 && ev->type == DV_JSON_KEY) {
        p->special_field = field_of(ev->text);
        return 0;
    }
    if (ev->depth == 2 && p->special_field == F_START)
        p->start_given = whole_number(ev, &p->start);
    if (p->special_field != F_IDS)
        return 0;
    if (ev->depth == 2) {
        p->ids_given = ev->type == DV_JSON_ARRAY || ev->type == DV_JSON_ARRAY_END;
        if (ev->type == DV_JSON_ARRAY)
            p->n_ids = 0;
        return 0;
    }
    return ev->depth == 3 ? take_revision_id(p, ev, err) : 0;
}

/* ---- _attachments
 * ----------------------------------------------------------------------------------- */

static int begin_attachment(struct dv_document_parser *p, const struct dv_json_event *ev,
                            struct dv_err *err)
{
    struct dv_doc_att *a;
    struct dv_slice name = dv_arena_copy(p->arena, ev->text);

    if (!name.p || !dv_grow(&p->atts, &p->cap_atts, p->n_atts + 1, sizeof(*p->atts)))
        return no_memory(err);
    if (p->n_atts >= ATTACHMENTS_MAX)
        return dv_err_set(err, DV_ETOOBIG, "document has too many attachments");
    a = &p->atts[p->n_atts++];
    memset(a, 0, sizeof(*a));
    a->name = name;
    a->content_type = DV_SLICE_LIT("application/octet-stream");
    p->in_att = p->att_stub = p->att_follows = false;
    return 0;
}

static void bad_attachment(struct dv_document_parser *p, const char *what)
{
    struct complaint *c = complain(p);
    struct dv_slice name = p->atts[p->n_atts - 1].name;

    if (c)
        dv_err_set(&c->err, DV_EINVAL, "Invalid attachment %s for %.*s", what,
                   (int)(name.n > 200 ? 200 : name.n), name.p);
}

/* stub before follows before data, as CouchDB asks. */
static void end_attachment(struct dv_document_parser *p)
{
    struct dv_doc_att *a = &p->atts[p->n_atts - 1];

    if (!p->in_att) { /* no object: CouchDB passes over it, but it replaces one of the same name */
        a->content_type = dv_slice(NULL, 0);
        return;
    }
    p->in_att = false;
    a->kind = p->att_stub      ? DV_DOC_ATT_STUB
              : p->att_follows ? DV_DOC_ATT_FOLLOWS
                               : DV_DOC_ATT_INLINE;
    if (a->kind == DV_DOC_ATT_INLINE && !a->has_data)
        bad_attachment(p, "data");
}

/* The raw text of a string that has no escapes, else a decoded copy. */
static struct dv_slice keep_text(struct dv_document_parser *p, const struct dv_json_event *ev)
{
    if (ev->end - ev->start - 2 == ev->text.n)
        return dv_slice(p->input.p + ev->start + 1, ev->text.n);
    return dv_arena_copy(p->arena, ev->text);
}

static int attachment_field(struct dv_document_parser *p, const struct dv_json_event *ev,
                            struct dv_err *err)
{
    struct dv_doc_att *a = &p->atts[p->n_atts - 1];
    bool string = ev->type == DV_JSON_STRING, truth = ev->type == DV_JSON_BOOL && ev->boolean;

    switch ((enum field)p->special_field) {
    case F_CONTENT_TYPE:
        if (string && !(a->content_type = dv_arena_copy(p->arena, ev->text)).p)
            return no_memory(err);
        break;
    case F_DATA:
        a->has_data = string;
        if (string && !(a->data = keep_text(p, ev)).p)
            return no_memory(err);
        break;
    case F_STUB:
        p->att_stub = truth;
        break;
    case F_FOLLOWS:
        p->att_follows = truth;
        break;
    case F_REVPOS:
        a->has_revpos = whole_number(ev, &a->revpos);
        break;
    case F_DIGEST:
        a->has_md5 = string && dv_md5_digest_parse(ev->text, a->md5);
        break;
    case F_LENGTH:
        a->has_length = whole_number(ev, &a->length);
        break;
    case F_ENCODED_LENGTH:
        a->has_encoded_length = whole_number(ev, &a->encoded_length);
        break;
    case F_ENCODING:
        a->gzip = string && dv_slice_eq_str(ev->text, "gzip");
        if (!a->gzip && !(string && dv_slice_eq_str(ev->text, "identity")))
            bad_attachment(p, "encoding");
        break;
    case F_OTHER:
    case F_START:
    case F_IDS:
        break;
    }
    return 0;
}

static int attachments_event(struct dv_document_parser *p, const struct dv_json_event *ev,
                             struct dv_err *err)
{
    if (ev->depth == 1) {
        if (ev->type != DV_JSON_OBJECT && ev->type != DV_JSON_OBJECT_END)
            unknown_member(p, DV_SLICE_LIT("_attachments"));
        return 0;
    }
    if (ev->depth == 2 && ev->type == DV_JSON_KEY)
        return begin_attachment(p, ev, err);
    if (p->n_atts == 0)
        return 0; /* inside an array where an object should be */
    if (ev->depth == 2) {
        if (ev->type == DV_JSON_OBJECT)
            p->in_att = true;
        else if (ev->type != DV_JSON_ARRAY)
            end_attachment(p);
        return 0;
    }
    if (ev->depth != 3 || !p->in_att)
        return 0;
    if (ev->type == DV_JSON_KEY) {
        p->special_field = field_of(ev->text);
        return 0;
    }
    return attachment_field(p, ev, err);
}

/* ---- all of them
 * --------------------------------------------------------------------------------------- */

int special_event(struct dv_document_parser *p, const struct dv_json_event *ev, struct dv_err *err)
{
    bool value = ev->depth == 1 && ev->type != DV_JSON_OBJECT_END && ev->type != DV_JSON_ARRAY_END;

    switch (p->special) {
    case SP_ID:
        return value ? take_id(p, ev, err) : 0;
    case SP_REV:
        return value ? take_rev(p, ev, err) : 0;
    case SP_DELETED:
        if (value)
            take_deleted(p, ev);
        return 0;
    case SP_REVISIONS:
        return revisions_event(p, ev, err);
    case SP_ATTACHMENTS:
        return attachments_event(p, ev, err);
    default:
        return 0;
    }
}

static int first_complaint(struct dv_document_parser *p, struct dv_err *err)
{
    const struct complaint *first = NULL;

    for (size_t i = 0; i < SP_COUNT; i++)
        if (p->complaints[i].set && (!first || p->complaints[i].position < first->position))
            first = &p->complaints[i];
    if (!first)
        return 0;
    if (err)
        *err = first->err;
    return first->err.code;
}

static int by_name_then_place(const void *a, const void *b)
{
    const struct dv_doc_att *const *x = a, *const *y = b;
    int c = dv_slice_cmp((*x)->name, (*y)->name);

    return c ? c : *x < *y ? -1 : 1;
}

/* Of attachments of one name the last stands, in its own place; then those that are no objects go.
 */
static int settle_attachments(struct dv_document_parser *p)
{
    struct dv_doc_att **order = dv_calloc(p->n_atts, sizeof(struct dv_doc_att *));
    size_t n = 0;

    if (!order)
        return DV_ENOMEM;
    for (size_t i = 0; i < p->n_atts; i++)
        order[i] = &p->atts[i];
    qsort(order, p->n_atts, sizeof(struct dv_doc_att *), by_name_then_place);
    for (size_t i = 0; i + 1 < p->n_atts; i++)
        if (dv_slice_eq(order[i]->name, order[i + 1]->name))
            order[i]->content_type = dv_slice(NULL, 0);
    dv_free(order);
    for (size_t i = 0; i < p->n_atts; i++)
        if (p->atts[i].content_type.p)
            p->atts[n++] = p->atts[i];
    p->n_atts = n;
    return 0;
}

static int copy_path(struct dv_document_parser *p, struct dv_err *err)
{
    struct dv_document *doc = &p->doc;

    if (p->revisions_given && p->n_ids > 0) {
        doc->ids = dv_arena_alloc(p->arena, p->n_ids * sizeof(*doc->ids));
        if (!doc->ids)
            return no_memory(err);
        memcpy(doc->ids, p->ids, p->n_ids * sizeof(*doc->ids));
        doc->n_ids = p->n_ids;
        doc->start = p->start;
        doc->from_revisions = true;
    } else if (p->rev_given) {
        doc->ids = dv_arena_alloc(p->arena, sizeof(*doc->ids));
        if (!doc->ids)
            return no_memory(err);
        doc->ids[0] = p->rev.id;
        doc->n_ids = 1;
        doc->start = p->rev.gen;
    }
    doc->has_rev = doc->n_ids > 0;
    return 0;
}

int special_finish(struct dv_document_parser *p, struct dv_err *err)
{
    struct dv_document *doc = &p->doc;
    int rc = first_complaint(p, err);

    if (rc < 0)
        return rc;
    rc = copy_path(p, err);
    if (rc < 0 || p->n_atts == 0)
        return rc;
    if (settle_attachments(p) < 0)
        return no_memory(err);
    for (size_t i = 0; i < p->n_atts; i++) {
        rc = dv_attachment_name_check(p->atts[i].name, err);
        if (rc < 0)
            return rc;
    }
    doc->atts = dv_arena_alloc(p->arena, p->n_atts * sizeof(*doc->atts));
    if (!doc->atts)
        return no_memory(err);
    memcpy(doc->atts, p->atts, p->n_atts * sizeof(*doc->atts));
    doc->n_atts = p->n_atts;
    return 0;
}

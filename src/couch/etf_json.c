/* JSON as CouchDB holds it in Erlang ("EJSON"): an object is {[{Key, Value}, ...]}, an array a
 * list, a string a binary, null, true and false atoms. One pass over the reader's events; the open
 * lists are a stack. */
#include "couch/etf.h"
#include "json/reader.h"

enum { DEPTH_MAX = 512 };

struct open_list {
    size_t mark;
    size_t items;
    bool object;
};

struct encoder {
    struct dv_buf *b;
    unsigned depth;
    struct open_list open[DEPTH_MAX];
};

static void open_list(struct encoder *e, bool object)
{
    if (object)
        dv_etf_tuple(e->b, 1);
    e->open[e->depth++] = (struct open_list){ .mark = dv_etf_list_open(e->b), .object = object };
}

static void close_list(struct encoder *e)
{
    const struct open_list *l = &e->open[--e->depth];

    dv_etf_list_close(e->b, l->mark, l->items);
}

static void count_item(struct encoder *e, bool is_key)
{
    if (e->depth > 0 && e->open[e->depth - 1].object == is_key)
        e->open[e->depth - 1].items++;
}

static int encode(void *arg, const struct dv_json_event *ev, struct dv_err *err)
{
    struct encoder *e = arg;
    int rc = 0;

    if (ev->type != DV_JSON_OBJECT_END && ev->type != DV_JSON_ARRAY_END)
        count_item(e, ev->type == DV_JSON_KEY);
    switch (ev->type) {
    case DV_JSON_NULL:
        dv_etf_atom(e->b, "null");
        break;
    case DV_JSON_BOOL:
        dv_etf_bool(e->b, ev->boolean);
        break;
    case DV_JSON_NUMBER:
        rc = dv_etf_number(e->b, ev->text, err);
        break;
    case DV_JSON_KEY:
        dv_etf_tuple(e->b, 2);
        dv_etf_binary(e->b, ev->text);
        break;
    case DV_JSON_STRING:
        dv_etf_binary(e->b, ev->text);
        break;
    case DV_JSON_OBJECT:
    case DV_JSON_ARRAY:
        open_list(e, ev->type == DV_JSON_OBJECT);
        break;
    case DV_JSON_OBJECT_END:
    case DV_JSON_ARRAY_END:
        close_list(e);
        break;
    }
    if (rc == 0 && e->b->failed)
        rc = dv_err_set(err, e->b->failed, "JSON is too large for an Erlang term");
    return rc;
}

int dv_etf_json(struct dv_buf *b, struct dv_slice text, struct dv_err *err)
{
    const struct dv_json_limits limits = { .depth = DEPTH_MAX };
    struct encoder e;

    e.b = b;
    e.depth = 0;
    return dv_json_read(text, &limits, encode, &e, err);
}

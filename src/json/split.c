/* See split.h. An item begins and ends with events of the reader. The brackets of a container are
 * never held back by the reader, so they lie in the chunk that is being fed; a scalar comes whole
 * with its event. */
#include "json/split.h"

#include "base/buf.h"
#include "base/mem.h"

enum { KEY_BYTES = 256 };

struct dv_json_split {
    struct dv_json_split_options options;
    struct dv_json_reader *reader;
    bool in_array, seen_array;
    bool not_object; /* told at the end, once it proves to be JSON */
    bool capturing;  /* inside a container that is an item */
    uint64_t item_start;
    unsigned item_depth;
    struct dv_buf carry;   /* from item_start to the end of the last chunk */
    struct dv_slice chunk; /* in work, borrowed */
    uint64_t chunk_start;
    char key[KEY_BYTES];
    size_t key_bytes;
};

static int too_big(const struct dv_json_split *s, struct dv_err *err)
{
    return dv_err_set(err, DV_ETOOBIG, "an item of `%s` is longer than %zu bytes", s->options.array,
                      s->options.item_bytes);
}

static int deliver(struct dv_json_split *s, struct dv_slice value, struct dv_err *err)
{
    if (value.n > s->options.item_bytes)
        return too_big(s, err);
    if (s->in_array)
        return s->options.element(s->options.arg, dv_slice("", 0), value, err);
    return s->options.member(s->options.arg, dv_slice(s->key, s->key_bytes), value, err);
}

static int carry(struct dv_json_split *s, struct dv_slice bytes, struct dv_err *err)
{
    int rc = dv_buf_add_slice(&s->carry, bytes);

    if (rc == DV_ETOOBIG)
        return too_big(s, err);
    return rc < 0 ? dv_err_set(err, rc, NULL) : 0;
}

/* A container that was captured ends at `end` of the input, in this chunk. */
static int finish_item(struct dv_json_split *s, uint64_t end, struct dv_err *err)
{
    size_t in_chunk = (size_t)(end - s->chunk_start);
    int rc;

    s->capturing = false;
    if (s->item_start >= s->chunk_start) {
        size_t from = (size_t)(s->item_start - s->chunk_start);

        return deliver(s, dv_slice(s->chunk.p + from, in_chunk - from), err);
    }
    rc = carry(s, dv_slice(s->chunk.p, in_chunk), err);
    if (rc == 0)
        rc = deliver(s, dv_buf_slice(&s->carry), err);
    dv_buf_reset(&s->carry);
    return rc;
}

/* A value at the place of an item: the array itself, a scalar, or the start of a container. */
static int begin_value(struct dv_json_split *s, const struct dv_json_event *ev, struct dv_err *err)
{
    bool named = !s->in_array && dv_slice_eq_str(dv_slice(s->key, s->key_bytes), s->options.array);

    if (named && ev->type == DV_JSON_ARRAY) {
        if (s->seen_array)
            return dv_err_set(err, DV_EINVAL, "member `%s` stands twice", s->options.array);
        s->in_array = s->seen_array = true;
        return 0;
    }
    if (ev->type != DV_JSON_OBJECT && ev->type != DV_JSON_ARRAY)
        return deliver(s, ev->raw, err);
    s->capturing = true;
    s->item_start = ev->start;
    s->item_depth = ev->depth;
    return 0;
}

static int on_event(void *arg, const struct dv_json_event *ev, struct dv_err *err)
{
    struct dv_json_split *s = arg;
    bool is_end = ev->type == DV_JSON_OBJECT_END || ev->type == DV_JSON_ARRAY_END;

    if (ev->depth == 0 && !is_end && ev->type != DV_JSON_OBJECT)
        s->not_object = true;
    if (s->not_object || ev->depth == 0)
        return 0;
    if (s->capturing)
        return is_end && ev->depth == s->item_depth ? finish_item(s, ev->end, err) : 0;
    if (ev->type == DV_JSON_KEY) {
        if (ev->text.n > KEY_BYTES)
            return dv_err_set(err, DV_ETOOBIG, "a member's name is longer than %d bytes",
                              KEY_BYTES);
        s->key_bytes = ev->text.n;
        memcpy(s->key, ev->text.p, ev->text.n);
        return 0;
    }
    if (is_end) {
        s->in_array = false;
        return 0;
    }
    return begin_value(s, ev, err);
}

int dv_json_split_new(const struct dv_json_split_options *options, struct dv_json_split **out,
                      struct dv_err *err)
{
    struct dv_json_split *s = dv_calloc(1, sizeof(*s));
    int rc;

    if (!s)
        return dv_err_set(err, DV_ENOMEM, NULL);
    s->options = *options;
    if (s->options.item_bytes == 0)
        s->options.item_bytes = SIZE_MAX / 4;
    dv_buf_init(&s->carry, s->options.item_bytes);
    rc = dv_json_reader_new(&options->limits, on_event, s, &s->reader, err);
    if (rc < 0) {
        dv_free(s);
        return rc;
    }
    *out = s;
    return 0;
}

void dv_json_split_free(struct dv_json_split *s)
{
    if (!s)
        return;
    dv_json_reader_free(s->reader);
    dv_buf_fini(&s->carry);
    dv_free(s);
}

int dv_json_split_feed(struct dv_json_split *s, struct dv_slice bytes, struct dv_err *err)
{
    size_t from = 0;
    int rc;

    s->chunk = bytes;
    rc = dv_json_reader_feed(s->reader, bytes, err);
    if (rc == 0 && s->capturing) {
        /* Keep what this chunk has of an item that it does not end. */
        if (s->item_start > s->chunk_start)
            from = (size_t)(s->item_start - s->chunk_start);
        rc = carry(s, dv_slice(bytes.p + from, bytes.n - from), err);
        if (rc < 0)
            dv_json_reader_stop(s->reader, rc);
    }
    s->chunk_start += bytes.n;
    return rc;
}

int dv_json_split_end(struct dv_json_split *s, bool *seen, struct dv_err *err)
{
    int rc = dv_json_reader_end(s->reader, err);

    if (rc < 0)
        return rc;
    if (s->not_object)
        return dv_err_set(err, DV_EINVAL, "Request body must be a JSON object");
    *seen = s->seen_array;
    return 0;
}

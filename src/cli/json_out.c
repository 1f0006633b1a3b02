/* See json_out.h. */
#include "cli/json_out.h"

void dv_out_text(struct dv_json_writer *w, const char *name, struct dv_slice value)
{
    dv_json_key(w, name);
    dv_json_string(w, value);
}

void dv_out_number(struct dv_json_writer *w, const char *name, uint64_t value)
{
    dv_json_key(w, name);
    dv_json_unsigned(w, value);
}

void dv_out_bool(struct dv_json_writer *w, const char *name, bool value)
{
    dv_json_key(w, name);
    dv_json_bool(w, value);
}

void dv_out_json(struct dv_json_writer *w, const char *name, struct dv_slice json)
{
    dv_json_key(w, name);
    dv_json_raw(w, json);
}

void dv_out_edit_result(struct dv_buf *out, const struct dv_edit_result *result)
{
    struct dv_json_writer w;

    dv_json_writer_init(&w, out);
    dv_json_begin_object(&w);
    if (result->code == 0)
        dv_out_bool(&w, "ok", true);
    if (result->id.n)
        dv_out_text(&w, "id", result->id);
    if (result->code == 0) {
        dv_out_text(&w, "rev", result->rev);
    } else {
        dv_out_text(&w, "error", dv_slice_str(result->err->name));
        dv_out_text(&w, "reason", dv_slice_str(result->err->reason));
    }
    dv_json_end_object(&w);
}

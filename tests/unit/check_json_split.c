/* Texts taken apart while they arrive: json/split and, over it, the bodies of _bulk_docs. */
#include <stdio.h>

#include "base/buf.h"
#include "base/mem.h"
#include "couch/bulk.h"
#include "lib/check_main.h"
#include "json/split.h"

static struct dv_buf out;

static void set_up(void)
{
    dv_buf_init(&out, 1 << 20);
}

static void tear_down(void)
{
    dv_mem_set_fault(NULL, NULL);
    dv_buf_fini(&out);
}

static int take_element(void *arg, struct dv_slice key, struct dv_slice value, struct dv_err *err)
{
    (void)arg;
    (void)err;
    ck_assert_uint_eq(key.n, 0);
    dv_buf_add_char(&out, '<');
    dv_buf_add_slice(&out, value);
    dv_buf_add_char(&out, '>');
    return out.failed;
}

static int take_member(void *arg, struct dv_slice key, struct dv_slice value, struct dv_err *err)
{
    (void)arg;
    (void)err;
    dv_buf_add_slice(&out, key);
    dv_buf_add_char(&out, '=');
    dv_buf_add_slice(&out, value);
    dv_buf_add_char(&out, ';');
    return out.failed;
}

static int split_in_steps(const char *text, size_t step, size_t item_bytes, struct dv_err *err)
{
    struct dv_json_split_options options = {
        .array = "docs", .item_bytes = item_bytes, .element = take_element, .member = take_member
    };
    struct dv_slice s = dv_slice_str(text);
    struct dv_json_split *split;
    bool seen = false;
    int rc = dv_json_split_new(&options, &split, err);

    if (rc < 0)
        return rc;
    dv_buf_reset(&out);
    for (size_t i = 0; i < s.n && rc == 0; i += step) {
        size_t n = s.n - i < step ? s.n - i : step;
        char *chunk = dv_memdup(s.p + i, n); /* gone when the next one comes */

        rc = chunk ? dv_json_split_feed(split, dv_slice(chunk, n), err) : DV_ENOMEM;
        dv_free(chunk);
    }
    if (rc == 0)
        rc = dv_json_split_end(split, &seen, err);
    ck_assert(rc < 0 || seen == (strstr(text, "\"docs\":[") != NULL));
    dv_json_split_free(split);
    return rc;
}

static const char sample[] =
    "{\"new_edits\": false ,\"x\":{\"docs\":[9]},\"docs\":[ {\"a\":[{}, 1]} ,17,"
    "\"s\\\"\",[],{}, null], \"y\":[ 1 ],\"n\":-1.5e3}";

START_TEST(an_array_is_split_into_its_elements_however_it_is_cut)
{
    const char *want = "new_edits=false;x={\"docs\":[9]};<{\"a\":[{}, 1]}><17><\"s\\\"\"><[]><{}>"
                       "<null>y=[ 1 ];n=-1.5e3;";

    for (size_t step = 1; step <= sizeof(sample); step++) {
        ck_assert_int_eq(split_in_steps(sample, step, 0, NULL), 0);
        ck_assert_str_eq(dv_buf_cstr(&out), want);
    }
}
END_TEST

START_TEST(splitting_refuses_other_shapes_and_long_items)
{
    struct dv_err err;

    for (size_t step = 1; step < 30; step++) {
        ck_assert_int_eq(split_in_steps("[{\"docs\":1}]", step, 9, &err), DV_EINVAL);
        ck_assert_str_eq(err.reason, "Request body must be a JSON object");
        ck_assert_int_eq(split_in_steps("[{\"docs\":1}", step, 9, &err), DV_EUTF8);
        ck_assert_int_eq(split_in_steps("17", step, 9, &err), DV_EINVAL);
        ck_assert_int_eq(split_in_steps("{\"docs\":[{\"a\":100}]}", step, 9, &err), 0);
        ck_assert_int_eq(split_in_steps("{\"docs\":[{\"a\":1000}]}", step, 9, &err), DV_ETOOBIG);
        ck_assert_int_eq(split_in_steps("{\"docs\":[\"12345678\"]}", step, 9, &err), DV_ETOOBIG);
        ck_assert_int_eq(split_in_steps("{\"x\":[1,2,3,4,5]}", step, 9, &err), DV_ETOOBIG);
        ck_assert_int_eq(split_in_steps("{\"docs\":[1],\"docs\":[2]}", step, 9, &err), DV_EINVAL);
        ck_assert_int_eq(split_in_steps("{\"docs\":[1]", step, 9, &err), DV_EUTF8);
        ck_assert_int_eq(split_in_steps("{\"docs\":7}", step, 9, &err), 0);
        ck_assert_str_eq(dv_buf_cstr(&out), "docs=7;");
    }
}
END_TEST

static int take_doc(void *arg, struct dv_slice doc, struct dv_err *err)
{
    struct dv_buf *docs = arg;

    dv_buf_add_slice(docs, doc);
    dv_buf_add_char(docs, '\n');
    if (dv_slice_eq_str(doc, "\"stop\""))
        return dv_err_set(err, DV_EFORBIDDEN, "no more");
    return 0;
}

static int bulk(const char *text, bool *new_edits, struct dv_err *err)
{
    struct dv_slice s = dv_slice_str(text);
    struct dv_bulk *b;
    int rc = 0;

    dv_buf_reset(&out);
    ck_assert_int_eq(dv_bulk_new(100, 1000, take_doc, &out, &b, NULL), 0);
    for (size_t i = 0; i < s.n && rc == 0; i++)
        rc = dv_bulk_feed(b, dv_slice(s.p + i, 1), err);
    if (rc == 0)
        rc = dv_bulk_end(b, new_edits, err);
    dv_bulk_free(b);
    return rc;
}

START_TEST(a_bulk_body_gives_its_documents_and_whether_they_are_new_edits)
{
    bool new_edits = false;

    ck_assert_int_eq(bulk("{\"docs\":[{\"_id\":\"a\"}, {} ]}", &new_edits, NULL), 0);
    ck_assert(new_edits);
    ck_assert_str_eq(dv_buf_cstr(&out), "{\"_id\":\"a\"}\n{}\n");
    ck_assert_int_eq(bulk("{\"docs\":[],\"new_edits\":false}", &new_edits, NULL), 0);
    ck_assert(!new_edits);
    ck_assert_int_eq(bulk("{\"new_edits\":false,\"new_edits\":true,\"docs\":[]}", &new_edits, NULL),
                     0);
    ck_assert(new_edits);
}
END_TEST

START_TEST(a_bulk_body_is_refused_in_couchdbs_words)
{
    static const struct {
        const char *text;
        int code;
        const char *reason;
    } cases[] = {
        { "{\"nope\":[]}", DV_EINVAL, "POST body must include `docs` parameter." },
        { "{\"docs\":{}}", DV_EINVAL, "`docs` parameter must be an array." },
        { "[]", DV_EINVAL, "Request body must be a JSON object" },
        { "{\"docs\":[}", DV_EUTF8, "invalid UTF-8 JSON" },
        { "", DV_EUTF8, "invalid UTF-8 JSON" },
        { "{\"docs\":[],\"new_edits\":1}", DV_EINVAL, "`new_edits` parameter must be a boolean." },
        { "{\"docs\":[1,\"stop\",2]}", DV_EFORBIDDEN, "no more" },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct dv_err err;
        bool new_edits = true;

        ck_assert_int_eq(bulk(cases[i].text, &new_edits, &err), cases[i].code);
        ck_assert_str_eq(err.reason, cases[i].reason);
    }
    ck_assert_str_eq(dv_buf_cstr(&out), "1\n\"stop\"\n");
}
END_TEST

struct fault {
    int countdown;
    bool fired;
};

static bool fail_nth(void *arg)
{
    struct fault *f = arg;

    if (--f->countdown != 0)
        return false;
    f->fired = true;
    return true;
}

START_TEST(every_allocation_may_fail_and_the_answer_is_out_of_memory)
{
    struct fault f = { 0, true };

    for (int n = 1; f.fired; n++) {
        int rc;

        f = (struct fault){ n, false };
        dv_buf_fini(&out);
        dv_buf_init(&out, 1 << 20);
        dv_mem_set_fault(fail_nth, &f);
        rc = split_in_steps(sample, 7, 100, NULL);
        dv_mem_set_fault(NULL, NULL);
        ck_assert_int_eq(rc, f.fired ? DV_ENOMEM : 0);
        ck_assert_int_lt(n, 1000);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("json split");
    TCase *t = tcase_create("split");

    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, an_array_is_split_into_its_elements_however_it_is_cut);
    tcase_add_test(t, splitting_refuses_other_shapes_and_long_items);
    tcase_add_test(t, a_bulk_body_gives_its_documents_and_whether_they_are_new_edits);
    tcase_add_test(t, a_bulk_body_is_refused_in_couchdbs_words);
    suite_add_tcase(s, t);
    t = tcase_create("faults");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, every_allocation_may_fail_and_the_answer_is_out_of_memory);
    suite_add_tcase(s, t);
    return dv_check_run(s);
}

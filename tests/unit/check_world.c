/* Both worlds keep the same promises; the simulated one is reproducible. */
#include <stdio.h>

#include "base/buf.h"
#include "lib/check_main.h"
#include "lib/simworld.h"

struct probe {
    struct dv_world *world;
    struct dv_timer early, late, never;
    struct dv_task task, task2, cancelled;
    struct dv_work works[8];
    struct work_probe {
        struct probe *p;
        int i;
        bool ran;
    } work_probes[8];
    struct dv_buf trace;
    int done;
};

static void trace(struct probe *p, const char *what)
{
    dv_buf_add_str(&p->trace, what);
    dv_buf_add_char(&p->trace, ' ');
}

static void on_early(void *arg)
{
    trace(arg, "early");
}

static void on_late(void *arg)
{
    trace(arg, "late");
}

static void on_never(void *arg)
{
    trace(arg, "never");
}

static void on_task(void *arg)
{
    struct probe *p = arg;

    trace(p, "task");
    dv_timer_stop(&p->never);
}

static void on_task2(void *arg)
{
    trace(arg, "task2");
}

static void run_work(void *arg)
{
    struct work_probe *wp = arg;

    wp->ran = true;
}

static void work_done(void *arg)
{
    struct work_probe *wp = arg;
    char name[8];

    ck_assert(wp->ran);
    snprintf(name, sizeof(name), "w%d", wp->i);
    wp->p->done++;
    if (!wp->p->world->ops->loop(wp->p->world))
        trace(wp->p, name); /* threads finish in any order */
}

static void run_probe(struct probe *p, struct dv_world *w)
{
    memset(p, 0, sizeof(*p));
    p->world = w;
    dv_buf_init(&p->trace, 10000);
    ck_assert_int_eq(dv_timer_init(&p->early, w, on_early, p, NULL), 0);
    ck_assert_int_eq(dv_timer_init(&p->late, w, on_late, p, NULL), 0);
    ck_assert_int_eq(dv_timer_init(&p->never, w, on_never, p, NULL), 0);
    dv_timer_start(&p->late, 30);
    dv_timer_start(&p->early, 5);
    dv_timer_start(&p->never, 60000); /* the first task stops it, however late that is */
    dv_task_init(&p->task, on_task, p);
    dv_task_init(&p->task2, on_task2, p);
    dv_world_post(w, &p->task);
    dv_world_wake(w, &p->task2);
    dv_task_init(&p->cancelled, on_never, p);
    dv_world_post(w, &p->cancelled);
    dv_world_unpost(w, &p->cancelled);
    dv_world_unpost(w, &p->cancelled); /* not queued any more */
    dv_world_post(w, &p->task);        /* queued already */
    for (int i = 0; i < 8; i++) {
        p->work_probes[i] = (struct work_probe){ p, i, false };
        p->works[i] = (struct dv_work){ run_work, work_done, &p->work_probes[i], NULL };
        ck_assert_int_eq(dv_world_submit(w, &p->works[i], NULL), 0);
    }
    ck_assert_int_eq(dv_world_run(w, NULL), 0);
    ck_assert_int_eq(p->done, 8);
    dv_timer_fini(&p->early);
    dv_timer_fini(&p->late);
    dv_timer_fini(&p->never);
    dv_world_free(w);
}

START_TEST(the_production_world_runs_tasks_in_order_and_timers_by_time)
{
    struct dv_world *w;
    const char *order;
    struct probe p;

    ck_assert_int_eq(dv_world_uv_new(2, &w, NULL), 0);
    run_probe(&p, w);
    /* A slow machine may see the first timer due before it comes to the tasks. */
    order = dv_buf_cstr(&p.trace);
    ck_assert_uint_eq(strlen(order), strlen("task task2 early late "));
    ck_assert_ptr_nonnull(strstr(order, "task2 "));
    ck_assert_ptr_nonnull(strstr(order, "late "));
    ck_assert(strstr(order, "task ") < strstr(order, "task2 "));
    ck_assert(strstr(order, "early ") < strstr(order, "late "));
    dv_buf_fini(&p.trace);
}
END_TEST

START_TEST(the_same_seed_gives_the_same_run_and_seeds_differ)
{
    char first[1000] = "";
    int different = 0;

    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct probe a, b;

        run_probe(&a, simworld_new(seed));
        run_probe(&b, simworld_new(seed));
        ck_assert_str_eq(dv_buf_cstr(&a.trace), dv_buf_cstr(&b.trace));
        ck_assert_ptr_null(strstr(dv_buf_cstr(&a.trace), "never"));
        ck_assert_ptr_nonnull(strstr(dv_buf_cstr(&a.trace), "early late"));
        if (seed == 1)
            snprintf(first, sizeof(first), "%s", dv_buf_cstr(&a.trace));
        different += strcmp(first, dv_buf_cstr(&a.trace)) != 0;
        dv_buf_fini(&a.trace);
        dv_buf_fini(&b.trace);
    }
    ck_assert_int_gt(different, 10);
}
END_TEST

static void again(void *arg)
{
    struct probe *p = arg;

    dv_timer_start(&p->early, 1000);
}

START_TEST(a_run_that_never_ends_is_found_out_in_virtual_time)
{
    struct dv_world *w = simworld_new(1);
    struct dv_err err;
    struct probe p = { .world = w };

    simworld_limit(w, 0, 3600 * 1000);
    ck_assert_int_eq(dv_timer_init(&p.early, w, again, &p, NULL), 0);
    dv_timer_start(&p.early, 0);
    ck_assert_int_eq(dv_world_run(w, &err), DV_ETIMEOUT);
    ck_assert_int_ge(dv_world_now_ms(w), 3600 * 1000);
    dv_timer_fini(&p.early);
    dv_world_free(w);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("world");
    TCase *t = tcase_create("world");

    tcase_add_test(t, the_production_world_runs_tasks_in_order_and_timers_by_time);
    tcase_add_test(t, the_same_seed_gives_the_same_run_and_seeds_differ);
    tcase_add_test(t, a_run_that_never_ends_is_found_out_in_virtual_time);
    suite_add_tcase(s, t);
    return dv_check_run(s);
}

/* See options.h. Operands are collected at the front of argv while it is read, which is safe
 * because an operand never moves to a later place. */
#include "cli/options.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "cli/suggest.h"

/* The option at a position counted over both tables; NULL behind the last. */
static const struct dv_option *option_at(const struct dv_options *o, size_t at)
{
    for (int t = 0; t < 2; t++) {
        const struct dv_option *option = o->tables[t];

        for (; option && option->name; option++)
            if (at-- == 0)
                return option;
    }
    return NULL;
}

static int find_long(const struct dv_options *o, struct dv_slice name)
{
    const struct dv_option *option;

    for (size_t i = 0; (option = option_at(o, i)); i++)
        if (dv_slice_eq_str(name, option->name))
            return (int)i;
    return -1;
}

static int find_letter(const struct dv_options *o, char letter)
{
    const struct dv_option *option;

    for (size_t i = 0; (option = option_at(o, i)); i++)
        if (option->letter == letter)
            return (int)i;
    return -1;
}

static int unknown_option(const struct dv_options *o, struct dv_slice name, struct dv_err *err)
{
    struct dv_suggestion nearest;
    const struct dv_option *option;

    dv_suggest_init(&nearest, name);
    for (size_t i = 0; (option = option_at(o, i)); i++)
        dv_suggest_offer(&nearest, option->name);
    if (nearest.best)
        return dv_err_set(err, DV_EUSAGE, "unknown option --%.*s; did you mean --%s?", (int)name.n,
                          name.p, nearest.best);
    return dv_err_set(err, DV_EUSAGE, "unknown option --%.*s", (int)name.n, name.p);
}

/* "10", "64k", "1M", "2G"; suffixes only for sizes. */
static bool parse_number(const char *text, bool size, uint64_t *number)
{
    static const char suffixes[] = "kMG";
    char *end;
    unsigned long long n;
    const char *suffix;

    if (*text < '0' || *text > '9')
        return false;
    errno = 0;
    n = strtoull(text, &end, 10);
    if (errno)
        return false;
    if (size && *end && (suffix = strchr(suffixes, *end))) {
        int shift = 10 * (int)(suffix - suffixes + 1);

        if (n > UINT64_MAX >> shift)
            return false;
        n <<= shift;
        end++;
    }
    *number = n;
    return *end == '\0';
}

static int set_value(struct dv_options *o, int at, const char *text, struct dv_err *err)
{
    const struct dv_option *option = option_at(o, (size_t)at);
    struct dv_option_value *value = &o->values[at];

    if (option->kind == DV_OPTION_COUNT && !parse_number(text, false, &value->number))
        return dv_err_set(err, DV_EUSAGE, "--%s needs a number, not '%s'", option->name, text);
    if (option->kind == DV_OPTION_SIZE && !parse_number(text, true, &value->number))
        return dv_err_set(err, DV_EUSAGE, "--%s needs a size such as 500k or 64M, not '%s'",
                          option->name, text);
    value->given = true;
    value->text = text;
    return 0;
}

/* What was found in one argument. */
struct found {
    int at;               /* position of the option, -1 when it is unknown */
    struct dv_slice name; /* as given, for messages */
    const char *value;    /* in the same argument; NULL: none */
};

static struct found look_up(const struct dv_options *o, const char *arg)
{
    struct found f = { -1, { NULL, 0 }, NULL };

    if (arg[1] != '-') {
        f.name = dv_slice(arg + 1, 1);
        f.at = find_letter(o, arg[1]);
        f.value = arg[2] ? arg + 2 : NULL;
        return f;
    }
    f.value = strchr(arg, '=');
    f.name = f.value ? dv_slice(arg + 2, (size_t)(f.value - arg) - 2) : dv_slice_str(arg + 2);
    f.value = f.value ? f.value + 1 : NULL;
    f.at = find_long(o, f.name);
    return f;
}

/* Take argv[*i] (and the argument behind it, when that is its value). */
static int take_option(struct dv_options *o, int argc, char **argv, int *i, struct dv_err *err)
{
    const char *arg = argv[*i];
    struct found f = look_up(o, arg);
    const struct dv_option *option;

    if (f.at < 0 && arg[1] != '-')
        return dv_err_set(err, DV_EUSAGE, "unknown option -%c", arg[1]);
    if (f.at < 0)
        return unknown_option(o, f.name, err);
    option = option_at(o, (size_t)f.at);
    if (option->kind == DV_OPTION_FLAG) {
        if (f.value)
            return dv_err_set(err, DV_EUSAGE, "--%s takes no value", option->name);
        o->values[f.at].given = true;
        return 0;
    }
    if (!f.value) {
        if (*i + 1 >= argc)
            return dv_err_set(err, DV_EUSAGE, "--%s needs a value: %s", option->name,
                              option->value);
        f.value = argv[++*i];
    }
    return set_value(o, f.at, f.value, err);
}

int dv_options_parse(struct dv_options *o, const struct dv_option *own,
                     const struct dv_option *common, int argc, char **argv, struct dv_err *err)
{
    bool options_over = false;
    int code;

    *o = (struct dv_options){ .tables = { own, common }, .operands = argv };
    assert(!option_at(o, DV_OPTIONS_MAX));
    for (int i = 0; i < argc; i++) {
        if (options_over || argv[i][0] != '-' || !argv[i][1])
            o->operands[o->n_operands++] = argv[i];
        else if (!strcmp(argv[i], "--"))
            options_over = true;
        else if ((code = take_option(o, argc, argv, &i, err)) < 0)
            return code;
    }
    return 0;
}

static const struct dv_option_value *value_of(const struct dv_options *o, const char *name)
{
    int at = find_long(o, dv_slice_str(name));

    assert(at >= 0);
    return &o->values[at];
}

bool dv_options_flag(const struct dv_options *o, const char *name)
{
    return value_of(o, name)->given;
}

bool dv_options_given(const struct dv_options *o, const char *name)
{
    return value_of(o, name)->given;
}

struct dv_slice dv_options_text(const struct dv_options *o, const char *name)
{
    return dv_slice_str(value_of(o, name)->text);
}

uint64_t dv_options_number(const struct dv_options *o, const char *name, uint64_t otherwise)
{
    const struct dv_option_value *value = value_of(o, name);

    return value->given ? value->number : otherwise;
}

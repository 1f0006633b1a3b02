# Budgets: a function has at most 100 lines, a file at most 800. Relies on the project's format,
# in which a function, and nothing else, opens and closes with a brace in the first column.
function complain(line, text)
{
    printf "%s:%d: %s\n", FILENAME, line, text
    bad = 1
}

function end_file()
{
    if (name != "" && lines > max_file)
        printf("%s:1: file of %d lines, the budget is %d\n", name, lines, max_file)
    if (name != "" && lines > max_file)
        bad = 1
}

BEGIN {
    max_function = 100
    max_file = 800
}
FNR == 1 {
    end_file()
    name = FILENAME
    inside = 0
}
{ lines = FNR }
/^\{/ {
    inside = 1
    first = FNR
}
/^\}/ && inside {
    inside = 0
    if (FNR - first + 1 > max_function)
        complain(first, "function of " FNR - first + 1 " lines, the budget is " max_function)
}
END {
    end_file()
    exit bad
}

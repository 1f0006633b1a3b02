#!/bin/sh
# The lints catch what they are for: each check is shown a file that breaks its rule, and one
# that does not.
set -u
cd "$(dirname "$0")" || exit 1
here=$PWD
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
cd "$tmp" || exit 1
mkdir -p checkpoints src/base src/json src/couch src/engine src/database src/attic
failures=0

# expect caught|clean SCRIPT FILE INCLUDE-LINE
expect()
{
    printf '%s\n' "$4" >"$3"
    if awk -f "$here/$2" "$3" >out; then
        got=clean
    else
        got=caught
    fi
    if [ "$got" != "$1" ]; then
        echo "selftest: $2 on $3 ($4): expected $1, was $got"
        failures=$((failures + 1))
    fi
}

expect clean includes.awk src/couch/a.c '#include "json/reader.h"'
expect clean includes.awk src/database/a.c '#include "engine/engine.h"'
expect clean includes.awk src/json/a.c '#include <yajl/yajl_parse.h>'
expect clean includes.awk src/main.c '#include "cli/cli.h"'
expect caught includes.awk src/json/b.c '#include "couch/revision.h"'
expect caught includes.awk src/base/a.c '#  include "json/reader.h"'
expect caught includes.awk src/engine/a.c '#include "database/database.h"'
expect caught includes.awk src/engine/b.c '#include <curl/curl.h>'
expect caught includes.awk src/database/b.c '#include <sqlite3.h>'
expect caught includes.awk src/base/b.c '#include "lib/check_main.h"'
expect caught includes.awk src/base/c.c '#include "../json/reader.h"'
expect clean includes.awk checkpoints/a.c '#include "database/database.h"'
expect caught includes.awk checkpoints/b.c '#include "cli/cli.h"'
expect caught includes.awk src/database/c.c '#include "checkpoints/history.h"'
expect caught includes.awk src/attic/a.c '#include "base/err.h"'

# function_of N: a function whose braces are N lines apart, counted with them.
function_of()
{
    awk -v n="$1" 'BEGIN { print "int f(void)\n{"; for (i = 2; i < n; i++) print "    g();"; print "}" }'
}
expect clean budgets.awk src/base/d.c "$(function_of 100)"
expect caught budgets.awk src/base/d.c "$(function_of 101)"
expect clean budgets.awk src/base/e.c "$(yes ';' | head -n 800)"
expect caught budgets.awk src/base/e.c "$(yes ';' | head -n 801)"

[ "$failures" -eq 0 ]

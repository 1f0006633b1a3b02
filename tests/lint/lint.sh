#!/bin/sh
# Everything `make lint` looks at; each check prints its name and what it found. Exit 1 when one
# of them complains.
# shellcheck disable=SC2317 # functions are called by name, through check()
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/lint/files.sh
status=0

# check NAME COMMAND...: run it, be silent about success.
check()
{
    name=$1
    shift
    if out=$("$@" 2>&1); then
        echo "lint: $name: ok"
    else
        echo "lint: $name: FAILED"
        printf '%s\n' "$out"
        status=1
    fi
}

# need TOOL PACKAGE
need()
{
    command -v "$1" >/dev/null || {
        echo "lint: $1 not found: apt-get install $2"
        exit 1
    }
}

run_shellcheck()
{
    list_scripts | xargs shellcheck -x
}

run_cppcheck()
{
    list_product | xargs cppcheck --quiet --error-exitcode=1 --std=c11 \
        --enable=warning,portability --inline-suppr --suppress=missingIncludeSystem --suppress=autoVariables \
        -j "$(nproc)" -D_GNU_SOURCE -DPACKAGE_VERSION='"lint"' -Isrc -I.
}

over_sources()
{
    list_files '*.c' '*.h' | xargs awk -f "tests/lint/$1"
}

need cppcheck cppcheck
need shellcheck shellcheck
check "the lints themselves" tests/lint/selftest.sh
check "include direction" over_sources includes.awk
check "budgets" over_sources budgets.awk
check "tree" tests/lint/tree.sh
check "shellcheck" run_shellcheck
check "clang-format" tests/lint/format.sh check
check "cppcheck" run_cppcheck
check "clang-tidy" tests/lint/tidy.sh
exit $status

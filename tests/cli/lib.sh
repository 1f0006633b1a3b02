# shellcheck shell=sh
# Assertions for tests that run the program; to be read with `.` by a POSIX shell.
#
# A test is a sentence, `it "sentence"`, and what is expected after it; the first expectation that
# fails prints what was run and what came, and the others still run. `run` and `run_in` leave
# $status and the files out and err in the test's own folder, where everything happens; the data
# folder is in it. `finish` prints the count. DIVAN_WRAP="valgrind -q ..." goes before every run.
set -u
# A program that waits for ever must not make the suite wait too.
[ "${DIVAN_TIMED-}" ] || DIVAN_TIMED=1 exec timeout -k 5 "${DIVAN_TEST_SECONDS:-600}" sh "$0"
LC_ALL=C
export LC_ALL
: "${DIVAN_BIN:?names the program to test}"
work=$(mktemp -d "${TMPDIR:-/tmp}/divan-cli-XXXXXX") || exit 1
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
cd "$work" || exit 1
DIVAN_DATA=$work/data
export DIVAN_DATA
unset XDG_DATA_HOME
tests=0 failures=0 status=0 sentence="" command=""

divan()
{
    ${DIVAN_WRAP-} "$DIVAN_BIN" "$@"
}

it()
{
    tests=$((tests + 1))
    sentence=$1
}

fail()
{
    failures=$((failures + 1))
    echo "FAILED: $sentence: $1"
    echo "  after: $command"
    echo "  status $status, printed: $(head -c 600 out | cat -v)"
    echo "  on standard error: $(head -c 600 err | cat -v)"
}

# run COMMAND...: with nothing on standard input.
run()
{
    command=$*
    "$@" <"/dev/null" >out 2>err
    status=$?
}

# run_in TEXT COMMAND...: with TEXT on standard input; printf's escapes work in it.
run_in()
{
    # shellcheck disable=SC2059 # a format on purpose
    printf "$1" >in
    shift
    command=$*
    "$@" <in >out 2>err
    status=$?
}

expect_status()
{
    [ "$status" -eq "$1" ] || fail "status is not $1"
}

expect_out()
{
    [ "$(cat out)" = "$1" ] || fail "expected: $1"
}

# expect_has out|err TEXT
expect_has()
{
    grep -qF -- "$2" "$1" || fail "$1 lacks: $2"
}

expect_lacks()
{
    ! grep -qF -- "$2" "$1" || fail "$1 has: $2"
}

expect_lines()
{
    [ "$(wc -l <out)" -eq "$1" ] || fail "not $1 lines"
}

# Exit status 1 and one line on standard error that begins with "divan: " and has the text;
# nothing on standard output.
expect_refusal()
{
    expect_status 1
    [ "$(wc -l <err)" -eq 1 ] || fail "not one line on standard error"
    grep -q '^divan: ' err || fail "the line does not begin with divan:"
    expect_has err "$1"
    [ ! -s out ] || fail "something was printed"
}

expect_ok()
{
    expect_status 0
    [ ! -s err ] || fail "something on standard error"
}

expect_same()
{
    cmp -s "$1" "$2" || fail "$1 and $2 differ"
}

# member NAME: the text of a member of the JSON in out, the first of that name.
member()
{
    sed -n "s/.*\"$1\":\"\\([^\"]*\\)\".*/\\1/p" out | head -n 1
}

# keep FILE: remember its bytes; expect_untouched FILE compares.
keep()
{
    cp "$1" kept
}

expect_untouched()
{
    cmp -s "$1" kept || fail "$1 was changed"
}

# patch FILE OFFSET BYTE...: bytes in octal.
patch()
{
    patched=$1 at=$2
    shift 2
    for byte; do
        # shellcheck disable=SC2059
        printf "\\$byte" | dd of="$patched" bs=1 seek="$at" conv=notrunc 2>dd.err
        at=$((at + 1))
    done
}

skip()
{
    echo "skipped: $1"
}

finish()
{
    echo "$0: $tests tests, $failures failures"
    [ "$failures" -eq 0 ]
    exit
}

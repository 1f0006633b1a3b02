#!/bin/sh
# What divan says and returns when it is used wrongly, and when its output goes nowhere.
. "${srcdir:-.}/tests/cli/lib.sh"

expect_usage()
{
    expect_status 64
    [ "$(wc -l <err)" -eq 1 ] || fail "not one line on standard error"
    expect_has err "$1"
    [ ! -s out ] || fail "something was printed"
}

it "without a command the overview goes to standard error"
run divan
expect_status 64
expect_has err "usage: divan"
run divan db
expect_status 64
expect_has err "db create DB"

it "unknown commands name the nearest one"
run divan chnages x
expect_usage "unknown command 'chnages'; did you mean 'changes'?"
run divan db creat x
expect_usage "unknown command 'db creat'; did you mean 'db create'?"
run divan doc pit x
expect_usage "did you mean 'doc put'?"
run divan create x
expect_usage "did you mean 'db create'?"
run divan zzzzzzzz
expect_usage "unknown command 'zzzzzzzz'"
expect_lacks err "did you mean"
run divan help db crate
expect_usage "did you mean 'db create'?"

it "unknown options name the nearest one"
run divan doc get x y --conflict
expect_usage "unknown option --conflict; did you mean --conflicts?"
run divan changes x --folow
expect_usage "did you mean --follow?"
run divan doc get x y -Z
expect_usage "unknown option -Z"
run divan --json db list
expect_usage "the command comes before the options"

it "options need values of their kind, and only they do"
run divan changes x --limit
expect_usage "--limit needs a value"
run divan changes x --limit ten
expect_usage "--limit needs a number, not 'ten'"
run divan changes x --limit -1
expect_usage "--limit needs a number"
run divan changes x --limit 99999999999999999999
expect_usage "--limit needs a number"
run divan doc put x y --max-document-size 5x
expect_usage "--max-document-size needs a size"
run divan changes x --follow=yes
expect_usage "--follow takes no value"
run divan changes x --style odd
expect_usage "--style is main_only or all_docs"
run divan changes x --follow --descending
expect_usage "exclude each other"
run divan doc get x y --rev 1-a --open-revs all
expect_usage "exclude each other"

it "operands are counted"
run divan doc put x
expect_usage "too few operands; needed: DB ID [FILE] (see: divan help doc put)"
run divan db list x
expect_usage "an operand too many: 'x'"

it "operands may begin with a hyphen behind --"
run divan db create notes
run_in '{}' divan doc put notes -- -odd
expect_ok
run divan doc get notes --revs -- -odd
expect_has out '"_id":"-odd"'

it "looking makes no data folder"
(
    DIVAN_DATA=$work/none
    run divan db list
    expect_out '[]'
    run divan db info nothing
    expect_refusal "not_found: Database does not exist."
    run_in '{}' divan doc put nothing x
    expect_refusal "create it with: divan db create nothing"
    [ ! -e none ] || fail "the folder was made"
    exit "$failures"
) || failures=$((failures + $?))

it "the data folder is that of XDG without DIVAN_DATA"
(
    unset DIVAN_DATA
    XDG_DATA_HOME=$work/xdg HOME=$work/home
    export XDG_DATA_HOME HOME
    run divan db create x
    [ -f xdg/divan/x.divan ] || fail "not in XDG_DATA_HOME"
    XDG_DATA_HOME=relative
    run divan db create x
    [ -f home/.local/share/divan/x.divan ] || fail "not in HOME"
    unset XDG_DATA_HOME HOME
    run divan db list
    expect_refusal "set DIVAN_DATA"
    exit "$failures"
) || failures=$((failures + $?))

it "--json gives errors as JSON"
run divan doc get notes none --json
expect_status 1
[ "$(cat err)" = '{"error":"not_found","reason":"missing","context":"get none from notes"}' ] ||
    fail "not the object expected"
run divan db info none --json
expect_has err '"hint":"create it with: divan db create none"'

it "an error is one line whatever the operands hold"
run divan doc get notes "$(printf 'two\nlines\033[31m\377')"
expect_status 1
[ "$(wc -l <err)" -eq 1 ] || fail "not one line"
grep -q "$(printf '\033')" err && fail "an escape character came through"

it "a full disk under standard output is noticed"
command='divan doc list notes >/dev/full'
divan doc list notes >/dev/full 2>err
status=$?
: >out
expect_refusal "No space left on device"
divan help >/dev/full 2>err
status=$?
expect_status 1

it "a closed standard output is noticed and no database is printed over"
command='divan db info notes >&-'
cp data/notes.divan kept
divan db info notes >&- 2>err
status=$?
expect_status 1
expect_has err "standard output"
divan doc get notes -- -odd >&- 2>err
expect_untouched data/notes.divan
run divan db check notes
expect_ok

it "a reader that goes away is no error"
i=0
while [ $i -lt 3000 ]; do
    echo "{\"_id\":\"a-document-with-a-rather-long-id-$i\"}"
    i=$((i + 1))
done >many
run divan doc bulk notes many
expect_ok
command='divan doc list notes | head -c 1'
{
    divan doc list notes 2>err
    echo $? >gone
} | head -c 1 >out
status=$(cat gone)
expect_ok
expect_out '{'

finish

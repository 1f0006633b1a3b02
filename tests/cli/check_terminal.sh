#!/bin/sh
# What is different when a person sits at a terminal.
. "${srcdir:-.}/tests/cli/lib.sh"

[ "$(script -qec 'echo yes' /dev/null 2>/dev/null </dev/null | tr -d '\r')" = yes ] || {
    skip "no script(1) here, or no pseudo-terminals for it"
    exit 77
}

# typed TEXT COMMAND...: with a terminal as standard input, output and error; TEXT is typed.
typed()
{
    printf '%s' "$1" >in
    shift
    command="$* (on a terminal)"
    # shellcheck disable=SC2086 # words of the wrapper
    printf '%s ' ${DIVAN_WRAP-} "$DIVAN_BIN" "$@" >line
    script -qec "$(cat line)" /dev/null <in >raw 2>err
    status=$?
    tr -d '\r' <raw >out
}

run divan db create notes
run_in '{"a":1}' divan doc put notes x

it "listings are tables, unless --json is given"
typed '' db info notes
expect_ok
expect_has out "documents            1"
typed '' doc list notes
expect_has out "ID  REVISION"
typed '' changes notes
expect_has out "SEQ  ID"
typed '' db list
expect_out notes
typed '' db info notes --json
expect_has out '{"db_name":"notes"'

it "documents are JSON all the same"
typed '' doc get notes x
expect_has out '{"_id":"x","_rev":"1-'

it "binary data is not printed, unless asked for"
head -c 1000 /dev/urandom >noise
run divan doc attach notes bin noise noise
typed '' doc fetch notes bin noise
expect_status 1
expect_has out "binary data is not printed on a terminal"
typed '' doc fetch notes bin noise -o -
expect_status 0
run_in 'some text\n' divan doc attach notes text text
typed '' doc fetch notes text text
expect_out 'some text'

it "deleting a database asks for its name"
typed 'other
' db delete notes
expect_status 1
expect_has out "not deleted: 'other' is not the name"
run divan db info notes
expect_ok
typed 'notes
' db delete notes
expect_status 0
expect_has out "deleted"
run divan db info notes
expect_refusal "Database does not exist."

it "nobody is asked with --yes, nor about a database that is not there"
run divan db create notes
typed '' db delete notes --yes
expect_status 0
typed '' db delete notes
expect_status 1
expect_has out "Database does not exist."

finish

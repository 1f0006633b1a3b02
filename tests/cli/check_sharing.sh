#!/bin/sh
# Several processes use one database at the same time.
. "${srcdir:-.}/tests/cli/lib.sh"

: >out
: >err

it "processes that start in an empty folder agree on the node id"
for round in 1 2 3 4 5; do
    rm -rf data
    for i in 1 2 3 4; do
        divan db create "x$i" >created.$i 2>&1 &
    done
    wait
    nodes=$(for i in 1 2 3 4; do divan db info "x$i"; done |
        sed 's/.*"update_seq":"0-[0-9a-f]*-//; s/".*//' | sort -u)
    command="round $round: $nodes"
    [ "$nodes" = "$(cat data/node)" ] || fail "not all have the id of the folder"
done

it "two writers lose none of each other's edits"
run divan db create notes
write_many()
{
    n=0
    while [ $n -lt 30 ]; do
        echo "{\"by\":\"$1\"}" | divan doc put notes "$1-$n" || return 1
        n=$((n + 1))
    done
}
write_many one >one.out 2>one.err &
first=$!
write_many two >two.out 2>two.err
status=$?
command='30 times divan doc put, twice'
expect_status 0
wait $first
status=$?
expect_status 0
run divan db info notes
expect_has out '"doc_count":60,'
expect_has out '"update_seq":"60-'

it "two bulk writers do not either"
bulk()
{
    n=0
    while [ $n -lt 3000 ]; do
        echo "{\"_id\":\"$1-$n\",\"by\":\"$1\"}"
        n=$((n + 1))
    done | divan doc bulk notes
}
bulk three >three.out 2>three.err &
first=$!
bulk four >four.out 2>four.err
status=$?
command='divan doc bulk, twice'
expect_status 0
wait $first
status=$?
expect_status 0
run divan db info notes
expect_has out '"doc_count":6060,'
[ "$(divan changes notes | sed -n 's/^{"seq":"\([0-9]*\)-.*/\1/p' | sort -u | wc -l)" -eq 6060 ] ||
    fail "sequences are not unique"

it "of two edits of one revision one is refused"
run_in '{}' divan doc put notes both
rev=$(member rev)
echo '{"by":1}' | divan doc put notes both --rev "$rev" >one.out 2>one.err &
echo '{"by":2}' | divan doc put notes both --rev "$rev" >two.out 2>two.err
wait
cat one.out two.out >out
cat one.err two.err >err
expect_lines 1
[ "$(grep -c 'conflict: Document update conflict.' err)" -eq 1 ] || fail "not one conflict"

# start_follower OPTIONS...: follow notes through descriptor 3, and be past what was there before.
start_follower()
{
    command="divan changes notes --follow $*"
    since=$(divan changes notes --since now | sed 's/.*"last_seq":"//; s/".*//')
    ready=$((ready + 1))
    echo '{}' | divan doc put notes "ready-$ready" >put.out
    # The program itself, not a shell that runs it, is what gets the signals.
    # shellcheck disable=SC2086 # words of the wrapper
    ${DIVAN_WRAP-} "$DIVAN_BIN" changes notes --follow --since "$since" "$@" >feed 2>err &
    follower=$!
    exec 3<feed
    next_line
    expect_has out "\"id\":\"ready-$ready\""
}

next_line()
{
    line=
    read -r line <&3
    echo "$line" >out
}

end_follower()
{
    wait $follower
    status=$?
    expect_ok
}

mkfifo feed
ready=0

it "a follower sees another process's edit, and ends cleanly when interrupted"
for signal in INT TERM; do
    start_follower --include-docs
    echo "{\"n\":\"$signal\"}" | divan doc put notes "followed-$signal" >put.out
    before=$(date +%s%N)
    next_line
    echo "seen $((($(date +%s%N) - before) / 1000000)) ms after the other process had ended"
    expect_has out "\"id\":\"followed-$signal\""
    expect_has out "\"n\":\"$signal\"}}"
    kill -s $signal $follower
    next_line
    expect_has out '{"last_seq":"'
    end_follower
    exec 3<&-
done

it "a follower ends at its limit"
start_follower --limit 3
for n in 1 2; do
    echo '{}' | divan doc put notes "limit-$n" >put.out
    next_line
    expect_has out "\"id\":\"limit-$n\""
done
end_follower
exec 3<&-

it "a follower ends when nobody reads any more"
start_follower
exec 3<&-
end_follower

it "a follower of a database that is deleted says so"
run divan db create short
command='divan changes short --follow'
divan changes short --follow >feed 2>err &
follower=$!
exec 3<feed
echo '{}' | divan doc put short a >put.out
read -r line <&3
divan db delete short >put.out 2>&1
wait $follower
status=$?
: >out
expect_refusal "changes of short"
exec 3<&-

it "compaction and writers do not disturb each other"
bulk five >five.out 2>five.err &
first=$!
run divan db compact notes
expect_ok
wait $first
status=$?
expect_status 0
run divan db check notes --deep
expect_ok

finish

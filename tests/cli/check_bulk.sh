#!/bin/sh
# divan doc bulk takes JSON lines and {"docs":[...]}, however they arrive.
. "${srcdir:-.}/tests/cli/lib.sh"

run divan db create notes

it "lines are documents, blank ones are none, and the last needs no newline"
run_in '{"_id":"a"}\r\n\n  \n{"_id":"b","n":1}\n{"n":2}' divan doc bulk notes
expect_ok
expect_lines 3
expect_has out '"id":"a"'
run divan db info notes
expect_has out '"doc_count":3,'

it "a line that is no JSON spoils only itself"
run_in '{"_id":"c"}\n{"_id":\n[1]\n{"_id":"d"}\n' divan doc bulk notes
expect_status 2
sed -n 2p out >line
expect_has line '"error":"bad_request","reason":"invalid UTF-8 JSON"'
sed -n 3p out >line
expect_has line '"error":"bad_request","reason":"Document must be a JSON object"'
sed -n 4p out >line
expect_has line '"ok":true,"id":"d"'

it "an array of documents may stand over several lines"
run_in '\n{ "docs" :\n [ {"_id":"e"},\n{"_id":"f",\n"x":[{"y":"]}"}]} , 1,"s" ] }\n' \
    divan doc bulk notes
expect_status 2
expect_lines 4
expect_has out '"id":"e"'
run divan doc get notes f
expect_has out '"x":[{"y":"]}"}]'

it "the pieces in which the input comes do not matter"
printf '{"docs":[{"_id":"p1","t":"\\u00e9"},{"_id":"p2"}]}' >docs.json
mkfifo pipe
dd if=docs.json of=pipe bs=1 2>dd.err &
run divan doc bulk notes pipe
wait
expect_ok
expect_lines 2
run divan doc get notes p2
expect_ok

it "new_edits must agree with --replicated"
run_in '{"new_edits":false,"docs":[{"_id":"r","_rev":"1-a"}]}' divan doc bulk notes
expect_refusal "go together"
run divan doc get notes r
expect_refusal "not_found: missing"
run_in '{"new_edits":false,"docs":[{"_id":"r","_rev":"1-a"}]}' divan doc bulk notes --replicated
expect_ok
expect_out '{"ok":true,"id":"r","rev":"1-a"}'
run_in '{"docs":[],"other":1}' divan doc bulk notes
expect_refusal "not known"
run_in '{"docs":[' divan doc bulk notes
expect_refusal "invalid UTF-8 JSON"

it "two edits of one document are applied in order"
run_in '{"_id":"twice","n":1}\n{"_id":"twice","n":2}\n' divan doc bulk notes
expect_status 2
sed -n 2p out >line
expect_has line '"id":"twice","error":"conflict","reason":"Document update conflict."'

it "many documents come back in the order of their lines"
i=0
while [ $i -lt 5500 ]; do
    echo "{\"_id\":\"many-$i\"}"
    i=$((i + 1))
done >many
run divan doc bulk notes many
expect_ok
sed 's/.*"id":"\([^"]*\)".*/{"_id":"\1"}/' out >order
expect_same order many
run divan doc bulk notes many --table
expect_status 2
expect_has out "many-0: conflict: Document update conflict."
expect_has out "0 stored, 5500 refused"
run divan db check notes
expect_ok

it "nothing in, nothing out"
run divan doc bulk notes
expect_ok
expect_out ''

finish

#!/bin/sh
# Every command of divan does what its help says.
. "${srcdir:-.}/tests/cli/lib.sh"

first='1-7a7e4b29f3af401e69b6f86e4c26b727'  # what CouchDB gives {"v":1}
second='2-d0df861eb528e79690cd2ff3c4d394f3' # and {"v":2} as its child

it "the version is printed"
run divan --version
expect_ok
expect_has out "divan "
run divan version
expect_ok

it "the help of everything is printed"
run divan help
expect_ok
divan help | sed -n 's/^  \([a-z][a-z ]*[a-z]\) .*/\1/p' |
    sed 's/^\(db\|doc\) \([a-z]*\).*/\1 \2/; t; s/ .*//' >commands
[ "$(wc -l <commands)" -ge 16 ] || fail "commands are missing in the overview"
while read -r words; do
    # shellcheck disable=SC2086
    run divan help $words
    expect_ok
    expect_has out "usage: divan $words"
    cp out help
    # shellcheck disable=SC2086
    run divan $words --help
    expect_ok
    expect_same out help
done <commands
run divan --help
expect_ok
run divan db -h
expect_ok
expect_has out "db create DB"
run divan help doc
expect_ok

it "a database is created, readable by its owner alone"
run divan db create notes
expect_ok
expect_out '{"ok":true}'
[ "$(stat -c %a data)" = 700 ] || fail "mode of the folder is $(stat -c %a data)"
[ -f data/notes.divan ] || fail "there is no data/notes.divan"
grep -qx '[0-9a-f]\{32\}' data/node || fail "data/node holds no id"

it "a slash in a name stays in the folder"
run divan db create a/b/c
expect_ok
[ -f data/a.b.c.divan ] || fail "there is no data/a.b.c.divan"

it "databases are listed by name, foreign files with a note"
echo hello >data/Readme.txt
run divan db create _users
run divan db list
expect_status 0
expect_out '["_users","a/b/c","notes"]'
expect_has err "Readme.txt"
run divan db list --table
expect_lines 3
rm data/Readme.txt

it "a database is named by a path as well"
for name in ./here.divan sub.divan "$work/there.divan"; do
    run divan db create "$name"
    expect_ok
    run divan db info "$name"
    expect_ok
    rm -f "$name"
done
[ "$(divan db list)" = '["_users","a/b/c","notes"]' ] || fail "paths are listed"

it "info has CouchDB's members"
run divan db info notes
expect_ok
for name in db_name doc_count doc_del_count update_seq purge_seq compact_running sizes file active \
    external disk_format_version instance_start_time props uuid; do
    expect_has out "\"$name\":"
done
expect_has out '"db_name":"notes","doc_count":0,"doc_del_count":0,"update_seq":"0-'
run divan db info --table notes
expect_ok
expect_has out "update sequence      0"

it "a document is put and comes back as it was written"
run_in '{"v":1}' divan doc put notes a
expect_ok
expect_out "{\"ok\":true,\"id\":\"a\",\"rev\":\"$first\"}"
run divan doc get notes a
expect_ok
expect_out "{\"_id\":\"a\",\"_rev\":\"$first\",\"v\":1}"
printf '{"z":1.0,"a":1e10,"u":"\\u00e9"}' >doc.json
run divan doc put notes bytes doc.json
expect_ok
run divan doc get notes bytes
expect_has out '"z":1.0,"a":1e10,"u":"\u00e9"}'

it "the revision that is edited is given in the document or by --rev"
run_in '{"v":2}' divan doc put --rev "$first" notes a -
expect_ok
expect_out "{\"ok\":true,\"id\":\"a\",\"rev\":\"$second\"}"
run_in "{\"_rev\":\"$second\",\"v\":3}" divan doc put notes a
expect_ok
third=$(member rev)

it "older revisions are kept"
run divan doc get notes a --rev="$first"
expect_has out '"v":1}'
run divan doc get notes a --revs
expect_has out '"_revisions":{"start":3,"ids":["'
run divan doc get notes a --revs-info
expect_has out "{\"rev\":\"$first\",\"status\":\"available\"}"

it "local documents have revisions of their own"
run_in '{"x":1}' divan doc put notes _local/me
expect_out '{"ok":true,"id":"_local/me","rev":"0-1"}'
run divan doc get notes _local/me
expect_out '{"_id":"_local/me","_rev":"0-1","x":1}'

it "conflicting revisions are put as given and shown"
for rev in bbb ccc; do
    run_in "{\"_revisions\":{\"start\":2,\"ids\":[\"$rev\",\"aaa\"]},\"x\":\"$rev\"}" \
        divan doc put notes conf --replicated
    expect_ok
    expect_out "{\"ok\":true,\"id\":\"conf\",\"rev\":\"2-$rev\"}"
done
run_in '{"_revisions":{"start":2,"ids":["ddd","aaa"]},"_deleted":true}' \
    divan doc put notes conf --replicated
expect_ok
run divan doc get notes conf --conflicts --deleted-conflicts
expect_out '{"_id":"conf","_rev":"2-ccc","x":"ccc","_conflicts":["2-bbb"],"_deleted_conflicts":["2-ddd"]}'
run divan doc get notes conf --open-revs 2-bbb,7-zzz
expect_ok
tr -d '\n' <out >flat
[ "$(cat flat)" = '[{"ok":{"_id":"conf","_rev":"2-bbb","x":"bbb"}},{"missing":"7-zzz"}]' ] ||
    fail "not the revisions asked for"
run divan doc get notes conf --open-revs all
expect_ok
expect_has out '"_rev":"2-bbb"'
expect_has out '"_rev":"2-ccc"'
expect_has out '"_rev":"2-ddd"'
run divan doc get notes conf --open-revs 1-aaa --latest
expect_has out '"_rev":"2-ccc"'

it "documents are listed"
run divan doc list notes
expect_ok
expect_has out '"total_rows":3'
expect_has out "{\"id\":\"a\",\"key\":\"a\",\"value\":{\"rev\":\"$third\"}}"
run divan doc list notes --start b --end c --include-docs
expect_has out '"key":"bytes"'
expect_has out '"doc":{"_id":"bytes"'
expect_lacks out '"key":"conf"'
run divan doc list notes --descending --limit 1
expect_has out '"key":"conf"'
expect_lacks out '"key":"bytes"'
run divan doc list notes --skip 1 -n1
expect_has out '"key":"bytes"'
expect_lacks out '"key":"a"'

it "tables are aligned by what a terminal shows"
run_in '{}' divan doc put notes 日本語
run_in '{}' divan doc put notes "$(printf 'bell\007')"
run divan doc list notes --table
expect_ok
expect_has out "ID        REVISION"
expect_has out "日本語    1-"
expect_has out 'bell\x07  1-'

it "an attachment comes back as it went in"
head -c 3000000 /dev/urandom >photo
run divan doc attach notes a photo.png photo --type image/png --rev "$third"
expect_ok
fourth=$(member rev)
run divan doc fetch notes a photo.png
expect_ok
expect_same out photo
run divan doc fetch notes a photo.png -o copy
expect_ok
expect_same copy photo
[ "$(stat -c %a copy)" = "$(stat -c %a photo)" ] || fail "mode of the copy"
run divan doc fetch notes a photo.png --output=/dev/null
expect_ok
run divan doc get notes a
expect_has out '"photo.png":{"content_type":"image/png","revpos":4,'
expect_has out '"length":3000000,"stub":true}'

it "text is stored compressed and fetched as it was"
yes 'the same line again' | head -n 50000 >text
run divan doc attach notes a text.txt text --type text/plain --rev "$fourth"
expect_ok
fifth=$(member rev)
run divan doc fetch notes a text.txt
expect_same out text
run divan doc get notes a --attachments
expect_has out '"data":"'

it "an attachment of an older revision is found"
run divan doc fetch notes a text.txt --rev "$fourth"
expect_refusal "not_found: Document is missing attachment"
run divan doc fetch notes a photo.png --rev "$fourth"
expect_ok

it "an attachment makes a document, from standard input"
run_in 'hello' divan doc attach notes fresh greeting
expect_ok
run divan doc fetch notes fresh greeting -o -
expect_out hello

it "an attachment is removed"
run divan doc detach notes a photo.png --rev "$fifth"
expect_ok
run divan doc get notes a
expect_lacks out photo.png
expect_has out text.txt
sixth=$(member _rev)

it "a document is deleted"
run divan doc delete notes a --rev "$sixth"
expect_ok
run divan doc get notes a
expect_refusal "not_found: deleted"
run divan doc get notes a --rev "$(divan doc get notes a --open-revs all | sed -n 's/.*"_rev":"\([^"]*\)".*/\1/p')"
expect_has out '"_deleted":true'

it "changes are listed, each document once, and resumed from any of them"
run divan changes notes
expect_ok
[ "$(grep -c '"id":"a"' out)" -eq 1 ] || fail "a is there more than once"
tail -n 2 out | head -n 1 >last
expect_has out '"id":"a","changes":[{"rev":"7-'
grep '"id":"a"' out | grep -q '"deleted":true' || fail "a is not marked as deleted"
since=$(tail -n 1 out | sed -n 's/^{"last_seq":"\(.*\)"}$/\1/p')
[ -n "$since" ] || fail "no last_seq"
run divan changes notes --since "$since"
expect_out "{\"last_seq\":\"$since\"}"
run divan changes notes --since now
expect_out "{\"last_seq\":\"$since\"}"
run divan changes notes --since 0 --limit 2
expect_lines 3
run divan changes notes --descending -n 1
head -n 1 out >newest
expect_same newest last
run divan changes notes --style all_docs
grep '"id":"conf"' out | grep -q '"changes":\[{"rev":"2-ccc"},{"rev":"2-bbb"},{"rev":"2-ddd"}\]' ||
    fail "not all leaves of conf"
run divan changes notes --include-docs --conflicts
expect_has out '"doc":{"_id":"conf","_rev":"2-ccc","x":"ccc","_conflicts":["2-bbb"]}'
run divan changes notes --table
expect_ok
expect_has out "SEQ"

it "a leaf is purged"
run divan db purge notes conf 2-ccc
expect_ok
expect_out '{"purge_seq":1,"purged":{"conf":["2-ccc"]}}'
run divan doc get notes conf
expect_has out '"_rev":"2-bbb"'
run divan db purge notes conf 2-ccc 2-bbb
expect_status 1
expect_has err "2-ccc"
expect_has out '"purged":{"conf":["2-bbb"]}'

it "a database is compacted and still what it was"
divan doc list notes --include-docs >before
run divan db compact notes
expect_ok
expect_has out '"ok":true'
divan doc list notes --include-docs >after
expect_same before after
run divan doc get notes bytes --revs-info
expect_ok

it "a sound database has no findings"
for deep in '' --deep; do
    # shellcheck disable=SC2086
    run divan db check notes $deep
    expect_ok
    expect_has out '{"findings":[],"ok":true,'
done
run divan db check notes --table
expect_has out "ok: "

it "a database is deleted with all that belongs to it"
run divan db delete notes
expect_ok
run divan db info notes
expect_refusal "not_found: Database does not exist. (create it with: divan db create notes)"
[ "$(find data -name 'notes*' | wc -l)" -eq 0 ] || fail "something is left"

finish

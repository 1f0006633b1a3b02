#!/bin/sh
# Bad input gets CouchDB's error and reason in one line, and nothing is written.
. "${srcdir:-.}/tests/cli/lib.sh"

name_rules='Only lowercase characters (a-z), digits (0-9), and any of the characters _, $, (, ), +, -, and / are allowed. Must begin with a letter.'

run divan db create notes
run_in '{"v":1}' divan doc put notes a
rev=$(member rev)
keep data/notes.divan

# refuse TEXT INPUT ARGUMENTS...: putting INPUT with these arguments is refused with TEXT.
refuse()
{
    text=$1 input=$2
    shift 2
    run_in "$input" divan doc put notes "$@"
    expect_refusal "$text"
    expect_untouched data/notes.divan
}

it "what is no JSON is refused"
for input in '{"a":' '' '{"a":1}}' "{'a':1}" '{"a":\f1}' '{"a":01}' '{"a":"\\ud800"}' '{"a":NaN}'; do
    refuse "bad_request: invalid UTF-8 JSON" "$input" bad
done

it "what is no UTF-8 is refused"
for input in '{"a":"\377"}' '{"a":"\300\200"}' '{"a":"\355\240\200"}' '{"\200":1}'; do
    refuse "bad_request: invalid UTF-8 JSON" "$input" bad
done

it "what is no document is refused"
refuse "bad_request: Document must be a JSON object" '[1]' bad
refuse "bad_request: Document must be a JSON object" '"x"' bad
refuse "doc_validation: Bad special document member: _foo" '{"_foo":1}' bad

it "a wrong revision is refused"
refuse "bad_request: Invalid rev format" '{"_rev":"banana"}' a
refuse "bad_request: Invalid rev format" '{}' a --rev banana
refuse "conflict: Document update conflict." '{"v":2}' a
refuse "conflict: Document update conflict." '{"v":2}' a --rev 1-00000000000000000000000000000000
refuse "conflict: Document update conflict." "{\"_rev\":\"$rev\"}" new
# shellcheck disable=SC2016 # backquotes of CouchDB's
refuse 'the document needs `_rev` or `_revisions` specified' '{"x":2}' new --replicated
run divan doc get notes a --rev banana
expect_refusal "bad_request: Invalid rev format"
run divan doc get notes a --rev 9-abc
expect_refusal "not_found: missing"
run divan doc delete notes a
expect_refusal "conflict: Document update conflict."
run divan doc delete notes a --rev 1-abc
expect_refusal "conflict: Document update conflict."
run divan db purge notes a banana
expect_refusal "Invalid rev format"
expect_untouched data/notes.divan

it "an illegal document id is refused"
refuse "illegal_docid: Only reserved document ids may start with underscore." '{}' _illegal
refuse "illegal_docid: Document id must not be empty" '{}' ''
refuse "illegal_docid: " '{}' "$(printf 'no\377utf8')"

it "an illegal database name is refused"
for name in Upper 1digit _under 'sp ace' dot.name '' 'x..y' -x; do
    run divan db create -- "$name"
    expect_refusal "illegal_database_name: Name: '$name'. $name_rules"
done
long=$(printf '%0239d' 0 | tr 0 a)
run divan db create "$long"
expect_refusal "database_name_too_long"
run divan db create "${long#a}"
expect_ok
run divan doc get Upper a
expect_refusal "illegal_database_name"
run divan db create notes
expect_refusal "file_exists: The database could not be created, the file already exists."
expect_untouched data/notes.divan

it "wrong attachments are refused"
refuse "bad_request: Invalid attachment data for a.bin" \
    '{"_attachments":{"a.bin":{"content_type":"x/y","data":"@@@"}}}' bad
refuse "missing_stub: Invalid attachment stub in bad for g.bin" \
    '{"_attachments":{"g.bin":{"content_type":"x/y","stub":true}}}' bad
refuse "missing_stub: Invalid attachment stub in bad for g.bin" \
    '{"_rev":"1-q","_attachments":{"g.bin":{"content_type":"x/y","stub":true,"revpos":1}}}' \
    bad --replicated
run divan doc fetch notes a none
expect_refusal "not_found: Document is missing attachment"
run_in 'x' divan doc attach notes a new
expect_refusal "conflict: Document update conflict."

it "a malformed sequence is refused"
run divan changes notes --since banana
expect_refusal "bad_request: Malformed sequence supplied in 'since' parameter."

it "an oversized document is refused by name of the limit"
{
    printf '{"x":"'
    head -c 8000001 /dev/zero | tr '\0' x
    printf '"}'
} >big
keep data/notes.divan
run divan doc put notes big big
expect_refusal "max_document_size"
expect_untouched data/notes.divan
run_in '{"x":"0123456789"}' divan doc put notes big --max-document-size 10
expect_refusal "max_document_size"
run divan doc put notes big big --max-document-size 9000000
expect_ok
run divan db purge notes big "$(member rev)"

it "an oversized attachment is refused by name of the limit"
run_in '0123456789' divan doc attach notes a x --rev "$rev" --max-attachment-size 9
expect_refusal "max_attachment_size"
run_in '{"_attachments":{"a":{"data":"MDEyMzQ1Njc4OQ=="}}}' \
    divan doc put notes b --max-attachment-size 9
expect_refusal "max_attachment_size"
run_in '0123456789' divan doc attach notes att x --max-attachment-size 10
expect_ok

it "a file that is not there is an error"
run divan doc put notes x no-such-file
expect_refusal "open no-such-file: No such file or directory"
run divan doc put notes x data
expect_refusal "Is a directory"
run divan doc fetch notes att x -o no/such/folder
expect_refusal "No such file or directory"

it "one bad document does not hold up the others of a bulk"
run_in '{"_id":"b1"}\n{"_id":"_b2"}\n{"_id":"b3"}\n' divan doc bulk notes
expect_status 2
expect_lines 3
sed -n 2p out >second
expect_has second '"error":"illegal_docid","reason":"Only reserved document ids may start with underscore."}'
[ "$(grep -c '"ok":true' out)" -eq 2 ] || fail "not two accepted"

it "a write on a full disk fails whole and the database stays usable"
run divan db create full
run_in '{}' divan doc put full first
divan doc list full >before
command='divan doc put full big big'
(
    trap '' XFSZ
    ulimit -f 2000 # blocks of 512 or 1024 bytes: what no file may grow over
    exec ${DIVAN_WRAP-} "$DIVAN_BIN" doc put full big big --max-document-size 9000000
) >out 2>err
status=$?
expect_refusal "put big into full"
divan doc list full >after
expect_same before after
run_in '{}' divan doc put full small
expect_ok
run divan db check full
expect_ok

# Rights mean nothing to root: become nobody, where that is possible.
as_nobody()
{
    if [ "$(id -u)" -eq 0 ]; then
        setpriv --reuid 65534 --regid 65534 --clear-groups "$@"
    else
        "$@"
    fi
}

if as_nobody "$DIVAN_BIN" --version >/dev/null 2>&1; then
    it "a folder that can not be written is one line"
    chmod 755 . data
    chmod 644 data/*
    chmod 555 data
    run as_nobody "$DIVAN_BIN" db create new
    expect_refusal "Permission denied"
    [ ! -e data/new.divan ] || fail "something was created"
    keep data/notes.divan
    run_in '{}' as_nobody "$DIVAN_BIN" doc put notes c
    if [ "$(id -u)" -eq 0 ]; then
        expect_refusal "put c into notes"
        expect_untouched data/notes.divan
    fi
    it "a file that can not be read is one line"
    chmod 600 data/full.divan
    if [ "$(id -u)" -eq 0 ]; then
        run as_nobody "$DIVAN_BIN" doc list full
        expect_refusal "data/full.divan: Permission denied"
    fi
    it "a database that can not be written is read all the same"
    run as_nobody "$DIVAN_BIN" doc get notes a
    expect_ok
    run as_nobody "$DIVAN_BIN" db check notes
    expect_ok
    expect_untouched data/notes.divan
    chmod 755 data
else
    skip "a folder that can not be written: this program can not be run as another user"
fi

it "a damaged node id is an error that names the file, and stays"
cp data/node node.good
echo short >data/node
run_in '{}' divan doc put notes d
expect_refusal "$work/data/node does not hold a node id"
[ "$(cat data/node)" = short ] || fail "it was replaced"
cp node.good data/node

finish

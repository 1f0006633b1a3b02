#!/bin/sh
# Files that are no database, newer, cut or damaged: one line, exit status not 0, the file untouched.
. "${srcdir:-.}/tests/cli/lib.sh"

# An error instead of an answer, from every command that opens the file.
expect_no_use()
{
    keep "$1"
    for what in "db info" "db check" "db compact" "doc list" changes; do
        # shellcheck disable=SC2086
        run divan $what "./$1"
        expect_refusal "$2"
        expect_untouched "$1"
    done
    run_in '{}' divan doc put "./$1" x
    expect_refusal "$2"
    expect_untouched "$1"
    [ ! -e "$1-wal" ] || fail "a log was left"
}

run divan db create ./good.divan
i=0
while [ $i -lt 40 ]; do
    printf '{"_id":"doc%02d","mark":"body-%02d","text":"%0400d"}\n' $i $i $i
    i=$((i + 1))
done >many
run divan doc bulk ./good.divan many
head -c 200000 /dev/urandom >photo
run divan doc attach ./good.divan doc00 photo photo --rev "$(head -n 1 out | sed 's/.*"rev":"//; s/".*//')"
run divan db check ./good.divan --deep
it "the sound file has no findings"
expect_ok

it "a file of another kind is refused"
echo 'just text, and nothing of a database in it' >text.divan
expect_no_use text.divan "not a divan database file"
head -c 100000 /dev/urandom >noise.divan
expect_no_use noise.divan "not a divan database file"
run divan db info ./good.divan/x.divan
expect_status 1

it "another program's SQLite file is refused"
cp good.divan other.divan
patch other.divan 68 000 000 000 000
expect_no_use other.divan "not a divan database file"

it "a file of a newer divan is refused by that name"
cp good.divan newer.divan
patch newer.divan 60 177 377 377 377
expect_no_use newer.divan "written by a newer divan"

it "a truncated file is refused"
size=$(stat -c %s good.divan)
for keep_bytes in 50 100 4095 $((size / 2)) $((size - 1)); do
    head -c "$keep_bytes" good.divan >cut.divan
    expect_no_use cut.divan ""
done

# Every command answers or fails with one line; never a crash, and never with other bytes.
expect_error_or_answer()
{
    [ "$status" -le 1 ] || fail "status is neither 0 nor 1"
    [ "$status" -eq 0 ] || [ "$(wc -l <err)" -eq 1 ] || fail "not one line on standard error"
}

it "flipped bytes are found by check, and never read as if they were sound"
divan doc list ./good.divan --include-docs >sound
stride=${DIVAN_FLIP_STRIDE:-$((size / 60 + 1))}
found=0 silent=0 at=100
while [ $at -lt "$size" ]; do
    cp good.divan bad.divan
    byte=$(od -An -tu1 -j $at -N 1 good.divan | tr -d ' ')
    patch bad.divan $at "$(printf %03o $((255 - byte)))"
    keep bad.divan
    run divan db check ./bad.divan --deep
    if [ "$status" -eq 0 ]; then
        # Only bytes that nothing uses may go unnoticed.
        silent=$((silent + 1))
        run divan doc list ./bad.divan --include-docs
        expect_same out sound
        run divan doc fetch ./bad.divan doc00 photo
        expect_same out photo
    else
        found=$((found + 1))
        run divan doc list ./bad.divan --include-docs
        expect_error_or_answer
        [ "$status" -ne 0 ] || expect_same out sound
        run divan doc fetch ./bad.divan doc00 photo -o copy
        expect_error_or_answer
        [ "$status" -ne 0 ] || expect_same copy photo
    fi
    expect_untouched bad.divan
    at=$((at + stride))
done
echo "flipped: $((found + silent)) bytes, $found found, $silent of no use to anybody"
[ "$found" -gt "$silent" ] || fail "few were found"

it "a flipped byte of a body is named by check, and its document is not given"
# The text may also lie where SQLite has moved it from: those bytes are of no use to anybody.
refused=0
grep -abo -e '"mark":"body-17"' good.divan | cut -d: -f1 >places
while read -r place; do
    cp good.divan bad.divan
    patch bad.divan $((place + 10)) 377
    keep bad.divan
    run divan doc get ./bad.divan doc17
    if [ "$status" -eq 0 ]; then
        expect_has out '"mark":"body-17"'
        continue
    fi
    refused=$((refused + 1))
    expect_refusal "get doc17 from ./bad.divan"
    run divan doc get ./bad.divan doc18
    expect_ok
    run divan db check ./bad.divan
    expect_status 1
    expect_lacks out '"findings":[]'
    expect_has out '"ok":false'
    run divan db check ./bad.divan --table
    expect_status 1
    expect_has out "DAMAGED"
    expect_untouched bad.divan
done <places
[ "$refused" -eq 1 ] || fail "the body was found $refused times"

it "a flipped byte of an attachment is not given"
head -c 100016 photo | tail -c 16 >piece
place=$(od -An -v -tx1 piece | tr -d ' \n')
at=$(od -An -v -tx1 good.divan | tr -d ' \n' | grep -bo "$place" | head -n 1 | cut -d: -f1)
cp good.divan bad.divan
patch bad.divan $((at / 2)) "$(printf %03o $((255 - $(od -An -tu1 -N 1 piece))))"
run divan db check ./bad.divan
expect_status 1
rm -f copy
run divan doc fetch ./bad.divan doc00 photo -o copy
expect_refusal "fetch photo of doc00"
[ ! -e copy ] || fail "half a file was left"
[ -z "$(find . -name 'copy.*')" ] || fail "a temporary file was left"

finish

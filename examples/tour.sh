#!/bin/bash
# tour.sh [DIVAN]: what a local database does, on sample documents, in a temporary folder. Every answer
# is compared with what it has to be; the first wrong one ends the tour with exit status 1.
set -eu
divan=$(realpath "${1-$DIVAN_BIN}")
samples=$(realpath "$(dirname "$0")/countries")
DIVAN_DATA=$(mktemp -d)
export DIVAN_DATA
trap 'rm -rf "$DIVAN_DATA"' EXIT

say()
{
    echo "tour: $*"
}

# expect WHAT TEXT ANSWER: the answer contains the text.
expect()
{
    case $3 in
    *"$2"*) ;;
    *)
        say "$1: expected $2, got: $3" >&2
        exit 1
        ;;
    esac
}

# rev_of ANSWER: the revision in {"ok":true,"id":..,"rev":..}.
rev_of()
{
    printf '%s\n' "$1" | sed -n 's/.*"rev":"\([^"]*\)".*/\1/p'
}

say "creating the database countries in $DIVAN_DATA"
"$divan" db create countries >/dev/null
for file in "$samples"/*.json; do
    id=$(basename "$file" .json)
    answer=$("$divan" doc put countries "$id" "$file")
    expect "doc put" '"ok":true' "$answer"
done
say "wrote 5 documents; the last answer was $answer"

first=$(rev_of "$("$divan" doc put countries XXA - <<<'{"name":"Examplia","area":1}')")
second=$(rev_of "$("$divan" doc put countries XXA --rev "$first" - <<<'{"name":"Examplia","area":2}')")
say "wrote one of our own: $first, and edited it: $second"
if answer=$("$divan" doc put countries XXA --rev "$first" - <<<'{"area":3}' 2>&1); then
    expect "an edit of the old revision" "a refusal" "$answer"
fi
expect "an edit of the old revision" conflict "$answer"
say "editing the first revision once more is refused, as a conflict"

other=2-ffffffffffffffffffffffffffffffff
"$divan" doc put countries XXA --replicated - >/dev/null <<EOT
{"_rev":"$other","_revisions":{"start":2,"ids":["${other#2-}","${first#1-}"]},"name":"Examplia","area":4}
EOT
answer=$("$divan" doc get countries XXA --conflicts)
expect "the winner" "\"_rev\":\"$other\"" "$answer"
expect "the conflict" "\"_conflicts\":[\"$second\"]" "$answer"
say "an edit from another replica is kept beside ours; the winner is the same everywhere:"
echo "      $answer"
"$divan" doc delete countries XXA --rev "$second" >/dev/null
answer=$("$divan" doc get countries XXA --conflicts)
case $answer in
*_conflicts*) expect "after the conflict was resolved" "no _conflicts" "$answer" ;;
esac
say "deleting the revision that lost resolves the conflict"

for file in "$samples"/*.svg; do
    id=$(basename "$file" .svg)
    id=${id^^}
    rev=$("$divan" doc get countries "$id" | sed 's/.*"_rev":"\([^"]*\)".*/\1/')
    "$divan" doc attach countries "$id" flag.svg --rev "$rev" --type image/svg+xml "$file" >/dev/null
    "$divan" doc fetch countries "$id" flag.svg -o "$DIVAN_DATA/flag.svg"
    cmp "$file" "$DIVAN_DATA/flag.svg"
    rm "$DIVAN_DATA/flag.svg"
done
say "attached 5 flags and read them back, byte for byte"

answer=$("$divan" doc list countries --start I --end K)
expect "doc list" '"ISL"' "$answer"
expect "doc list" '"JPN"' "$answer"
answer=$("$divan" changes countries)
[ "$(grep -c '"changes":' <<<"$answer")" = 6 ] || expect changes "6 rows" "$answer"
say "changes has one row for each of the 6 documents, and ends with"
echo "      $(tail -n 1 <<<"$answer")"

"$divan" db compact countries >/dev/null
"$divan" db check countries --deep >/dev/null || expect "db check" "no damage" "damage"
say "compacted the file and checked it, attachments included: no damage"

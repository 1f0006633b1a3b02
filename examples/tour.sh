#!/bin/bash
# tour.sh DIVAN: what a local database does, on sample documents, in a temporary folder. Every answer
# is compared with what it has to be; the first wrong one ends the tour with exit status 1.
set -eu
divan=$(realpath "$1")
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
say "wrote 5 documents; the last is $(rev_of "$answer")"

first=$(rev_of "$("$divan" doc put countries XXA - <<<'{"name":"Examplia","area":1}')")
second=$(rev_of "$("$divan" doc put countries XXA --rev "$first" - <<<'{"name":"Examplia","area":2}')")
say "edited one of our own: $first, then $second"
answer=$("$divan" doc put countries XXA --rev "$first" - <<<'{"name":"Examplia","area":3}' 2>&1) &&
    expect "a late edit" "an error" "$answer"
expect "a late edit" conflict "$answer"
say "a second edit of the first revision is refused: conflict"

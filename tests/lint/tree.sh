#!/bin/sh
# Every room has a README of at most a page, and nothing in the tree knows one developer's machine.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/lint/files.sh
status=0

complain()
{
    echo "$1"
    status=1
}

for folder in src/*/ filters/ checkpoints/ tests/ bench/ docs/ packaging/ examples/*/; do
    [ -d "$folder" ] || continue
    if [ ! -f "$folder/README.md" ]; then
        complain "${folder}: has no README.md"
    elif [ "$(wc -l <"$folder/README.md")" -gt 100 ]; then
        complain "${folder}README.md: is over a page (100 lines)"
    fi
done

for folder in tests/*/; do
    name=${folder#tests/}
    grep -qF "\`$name\`" tests/README.md || complain "tests/README.md: does not tell of $folder"
done

# The bracket expressions keep this line from finding itself.
for f in $(list_files '*'); do
    grep -nIHE '/[h]ome/[a-z]|/[r]oot/|/[U]sers/[a-z]|/[w]ork/|/[t]mp/wt|\.\./[s]hared' "$f" &&
        complain "$f: names a path of one machine"
    grep -nIHE '[a]rtifactory|[n]exus\.|[r]egistry\.[a-z]|[p]ypi\.' "$f" &&
        complain "$f: names a package registry"
    grep -nIHE '\b(TODO|FIXME|XXX)\b' "$f" | grep -v 'XXXXXX' |
        grep -v '^tests/lint/tree.sh:' && complain "$f: leaves work for later"
done
exit $status

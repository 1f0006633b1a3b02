#!/bin/sh
# tidy.sh [FILE...]: clang-tidy over the product's sources, by .clang-tidy. Needs no configured build.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/lint/files.sh
tool=$(command -v clang-tidy-14 || command -v clang-tidy) || {
    echo "clang-tidy not found: apt-get install clang-tidy-14"
    exit 1
}
if [ $# -gt 0 ]; then
    out=$("$tool" --quiet "$@" -- -std=c11 -D_GNU_SOURCE -Isrc -I. '-DPACKAGE_VERSION="lint"' \
        2>/dev/null)
    status=$?
    [ -z "$out" ] || printf '%s\n' "$out"
    exit $status
fi
# One process for a few files each, by calling this script again.
list_product | xargs -P "$(nproc)" -n 4 tests/lint/tidy.sh

#!/bin/sh
# format.sh check|fix: C sources as .clang-format says. clang-format 14 decides; another version
# would format some lines in another way, so it is refused.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/lint/files.sh
tool=$(command -v clang-format-14 || command -v clang-format) || {
    echo "clang-format not found: apt-get install clang-format-14"
    exit 1
}
case $($tool --version) in
*"version 14."*) ;;
*)
    echo "clang-format 14 is needed: apt-get install clang-format-14"
    exit 1
    ;;
esac
case ${1-} in
check) list_files '*.c' '*.h' | xargs "$tool" --dry-run --Werror --ferror-limit=1 ;;
fix) list_files '*.c' '*.h' | xargs "$tool" -i ;;
*)
    echo "usage: format.sh check|fix"
    exit 1
    ;;
esac

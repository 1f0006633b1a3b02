# shellcheck shell=sh
# Sourced by the lint scripts: which files of the tree they look at. Run from the top folder.

# list_files PATTERN...: the project's own files whose base names match; not what was generated or
# copied from elsewhere. Works in a clone and in an unpacked tarball.
list_files()
{
    # git refuses a clone of another user, and a tarball has no history: then look at the disk.
    if git ls-files -- configure.ac 2>/dev/null | grep -q .; then
        git ls-files --cached --others --exclude-standard -- "$@"
    else
        for pattern in "$@"; do
            find . -path ./.git -prune -o -name "$pattern" -type f -print
        done | sed 's,^\./,,'
    fi | grep -Ev '^(build[^/]*|autom4te\.cache|m4|tests/vectors|examples|divan-[0-9.]*)/' |
        grep -Ev '^(configure~?|aclocal\.m4|Makefile(\.in)?|libtool|config\.(log|status))$' |
        LC_ALL=C sort -u | while read -r f; do
        [ ! -e "$f" ] || echo "$f" # deleted, but not yet in the index
    done
}

# list_product: the C sources of the rooms.
list_product()
{
    list_files '*.c' | grep -E '^(src|filters|checkpoints)/'
}

# list_scripts: every shell script, by suffix or by its first line.
list_scripts()
{
    list_files '*' | grep -Ev '\.(c|h|md|am|ac|awk|json|svg)$' | while read -r f; do
        case $f in
        aclocal.m4 | configure | configure~ | config.* | libtool | tests/fuzz/corpus/*) ;;
        *) ! head -n 1 "$f" | LC_ALL=C grep -aqE '^#!/bin/(ba)?sh|^# shellcheck shell' || echo "$f" ;;
        esac
    done
}

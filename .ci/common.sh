# shellcheck shell=bash
# Sourced by quickstart and run-tests, from the top folder: packages, bootstrap, configure.

# What the build needs: the tools, and what configure.ac says about each library.
# shellcheck disable=SC2034 # used by those who source this
build_packages="gcc libc6-dev make autoconf automake libtool pkg-config
    $(sed -n 's/^DV_REQUIRE(\[[A-Z0-9_]*\],\[[^]]*\],\[\(.*\)\])$/\1/p' configure.ac)"
# shellcheck disable=SC2034
test_packages="$build_packages clang-14 libclang-rt-14-dev clang-format-14 clang-tidy-14
    cppcheck shellcheck"

say()
{
    printf '%s: %s\n' "${0##*/}" "$*"
}

fail()
{
    say "$*" >&2
    exit 1
}

# as_root COMMAND...: as it is for root, through sudo for everybody else.
as_root()
{
    if [ "$(id -u)" = 0 ]; then
        "$@"
    else
        sudo "$@"
    fi
}

# need_packages NAME...: install with apt those that are missing, and nothing else.
need_packages()
{
    local missing=() name log
    if ! command -v apt-get >/dev/null; then
        say "no apt-get here: the names of what is needed are those of Debian 12"
        return 0
    fi
    for name in "$@"; do
        dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null | grep -qx installed ||
            missing+=("$name")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    # sudo asks for the password on the terminal, if it wants one.
    [ "$(id -u)" = 0 ] || sudo true 2>/dev/null ||
        fail "sudo is not to be had here, so root has to run first: apt-get install ${missing[*]}"
    say "installing ${missing[*]}"
    log=$(mktemp)
    if ! { as_root apt-get -q update &&
        as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends \
            install "${missing[@]}"; } </dev/null >"$log" 2>&1; then
        tail -n 5 "$log" >&2
        fail "apt-get could not install ${missing[*]} (whole output: $log)"
    fi
    rm -f "$log"
}

# generate: run ./bootstrap unless its output is newer than everything it is made from.
generate()
{
    local log
    [ -w . ] || fail "cannot write in $PWD"
    if [ -f configure ] && [ -f Makefile.in ] &&
        [ -z "$(find configure.ac Makefile.am src tests bench -name '*.a[mc]' \
            -newer Makefile.in)" ]; then
        return 0
    fi
    say "generating configure"
    log=$(mktemp)
    ./bootstrap >"$log" 2>&1 || {
        cat "$log" >&2
        fail "./bootstrap failed"
    }
    rm -f "$log"
}

# configure_in FOLDER ARGUMENT...: once, and again when the arguments or configure changed.
configure_in()
{
    local folder=$1 top=$PWD
    shift
    mkdir -p "$folder" || return 1
    if [ -f "$folder/Makefile" ] && [ "$folder/Makefile" -nt configure ] &&
        [ "$(cat "$folder/arguments" 2>/dev/null)" = "$*" ]; then
        return 0
    fi
    (cd "$folder" && "$top/configure" -q "$@" && echo "$*" >arguments)
}

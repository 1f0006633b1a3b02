#!/bin/sh
# The manual page and the table of commands say the same: each command with its operands, each option
# of each command with its letter and value, in both directions.
. "${srcdir:-.}/tests/cli/lib.sh"

case ${srcdir:-.} in
/*) page=$srcdir/packaging/man/divan.1 ;;
*) page=$OLDPWD/${srcdir:-.}/packaging/man/divan.1 ;;
esac
: >out
: >err

# What the page says, without roff: "\-" is "-", fonts are left out.
plain()
{
    sed 's/\\-/-/g; s/\\f[BIR]//g; s/\\(aq/'"'"'/g' "$page"
}

usages()
{
    divan help | sed -n 's/^  \([a-z].*[^ ]\)   *[a-z].*/divan \1/p' | sed 's/  *$//'
}

options_of_page()
{
    plain | awk -v section="$1" '
        /^\.S[SH] / { here = ($0 == ".SS \"" section "\""); tag = 0; next }
        here && tag { print; tag = 0 }
        /^\.TP/ { tag = 1 }' | sort
}

options_of_help()
{
    # shellcheck disable=SC2086 # one or two words
    divan help $1 | sed -n 's/^ *\(-[a-z], \)\{0,1\}\(--[a-z-]*\( [A-Z][A-Z]*\)\{0,1\}\) .*/\1\2/p' |
        grep -v -e '--json' -e '--table' -e '--help' | sort
}

it "the page has every command and no other"
usages | sort >program
plain | sed -n 's/^\.SS "\(divan .*\)"$/\1/p' | sort >manual
[ "$(wc -l <program)" -ge 16 ] || fail "the overview was not understood"
cp program out
expect_same program manual

it "the page has every option of every command and no other"
while read -r usage; do
    words=$(echo "$usage" | sed 's/^divan //; s/ [^a-z].*//')
    command="divan help $words"
    options_of_help "$words" >program
    options_of_page "$usage" >manual
    diff program manual >out 2>&1 || fail "options of '$words' differ"
done <<END
$(usages)
END
options_of_help "doc put" >program
grep -qx -e '-r, --rev REV' program || fail "the help of doc put was not understood"

it "the page has the common options"
options_of_page "What is printed" >manual
for option in --json --table '-h, --help'; do
    grep -qx -e "$option" manual || fail "$option is missing"
done

it "the page has no errors that man would complain about"
if command -v man >/dev/null && man --version >/dev/null 2>&1; then
    MANWIDTH=80 man --warnings -l "$page" >out 2>err
    [ ! -s err ] || fail "complaints"
else
    skip "no man here"
fi

finish

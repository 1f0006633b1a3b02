# Includes go one way between the rooms, and some libraries belong to one room. Prints each line
# that breaks a wall as FILE:LINE: REASON and exits 1 when there was one.
#
# A room may include itself and every room of a lower rank; rooms of one rank do not know each
# other, but for the pairs in `also`.
BEGIN {
    n = split("base;json couch;js engine http;filters;database;checkpoints peer;replicate;" \
              "schedule;serve;daemon;cli", floors, ";")
    for (i = 1; i <= n; i++) {
        m = split(floors[i], names, " ")
        for (j = 1; j <= m; j++)
            rank[names[j]] = i
    }
    also["couch json"] = 1
    owner["yajl/"] = "json"
    owner["sqlite3.h"] = "engine"
    owner["curl/"] = "http"
    owner["microhttpd.h"] = "serve"
    owner["systemd/"] = "daemon"
}

function complain(text)
{
    printf "%s:%d: %s\n", FILENAME, FNR, text
    bad = 1
}

FNR == 1 {
    path = FILENAME
    sub(/^\.\//, "", path)
    split(path, part, "/")
    # src/main.c stands above all rooms; tests and bench may look at everything.
    room = part[1] == "src" && part[3] != "" ? part[2] : ""
    if (part[1] == "filters" || part[1] == "checkpoints")
        room = part[1]
    product = part[1] == "src" || room != ""
    if (room != "" && !(room in rank))
        complain("src/" room " has no place in tests/lint/includes.awk")
}

/^[ \t]*#[ \t]*include[ \t]*[<"]/ {
    target = $0
    sub(/^[^<"]*[<"]/, "", target)
    sub(/[>"].*$/, "", target)
    if (!product)
        next
    if (target ~ /^(check\.h|lib\/|tests\/|bench\/)/ || target ~ /(^|\/)\.\.\//)
        complain("the product may not include " target)
    for (prefix in owner)
        if (index(target, prefix) == 1 && room != owner[prefix])
            complain(target " belongs to src/" owner[prefix])
    if (target !~ /\// || room == "")
        next
    split(target, to, "/")
    if (!(to[1] in rank) || to[1] == room || (room " " to[1]) in also)
        next
    if (rank[to[1]] >= rank[room])
        complain("src/" room " may not include src/" to[1] " (" target ")")
    if (target ~ /_internal\.h$/)
        complain(target " is private to src/" to[1])
}

END { exit bad }

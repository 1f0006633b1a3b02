# Results of a build: reads .trs files of automake's test driver and the .log of each. A program
# written with Check counts with its single tests, any other one as one. Prints "PASSED FAILED
# SKIPPED"; a program that died before Check could report counts as one failure.
FNR == 1 {
    result = ""
}
/^:test-result:/ {
    result = $2
    log_file = FILENAME
    sub(/\.trs$/, ".log", log_file)
    checks = bad = seen = 0
    while ((getline line < log_file) > 0) {
        if (line ~ /[0-9]%: Checks: [0-9]+, Failures: [0-9]+, Errors: [0-9]+$/) {
            sub(/^.*%: /, "", line)
            split(line, word, /[ ,]+/)
            seen = 1
            checks += word[2]
            bad += word[4] + word[6]
        }
    }
    close(log_file)
    if (result == "SKIP") {
        skipped++
    } else if (result == "PASS") {
        passed += seen ? checks - bad : 1
        failed += bad
    } else {
        passed += checks - bad
        failed += bad ? bad : 1
    }
}
END { print passed + 0, failed + 0, skipped + 0 }

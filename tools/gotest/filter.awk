# Reads `go test -v`, prints what `go test` would, and for each skipped test the reason. Of a package that
# failed it prints everything but the tests that passed.
function show(line) { print line; fflush() }

/^=== (RUN|NAME|CONT) / { current = $3 }
/^ +[A-Za-z0-9_]+\.go:[0-9]+: / { said[current] = $0 }
/^ *--- SKIP: / {
	reason = said[$3]
	sub(/^ +[A-Za-z0-9_]+\.go:[0-9]+: /, "", reason)
	skips[++nskips] = "not run: " $3 ": " (reason == "" ? "no reason given" : reason)
}
/^--- PASS: / { passed++ }
/^--- FAIL: / { failed++ }
/^--- SKIP: / { skipped++ }

/^ok  \t/ || /^FAIL\t/ || /^\?   \t/ || /^\t.*coverage: / {
	if ($1 == "FAIL") {
		packages_failed++
		for (i = 1; i <= n; i++) show(buffer[i])
	}
	for (i = 1; i <= nskips; i++) show(skips[i])
	if ($1 != "?") show($0)
	n = nskips = 0
	split("", said)
	next
}
/^=== / || /^ *--- PASS: / || /^PASS$/ || /^FAIL$/ { next }
{ buffer[++n] = $0 }

END {
	for (i = 1; i <= n; i++) show(buffer[i])
	show(sprintf("%s: %d tests passed, %d failed, %d skipped", name, passed, failed, skipped))
}

# Sourced by scripts/test and scripts/lint: runs named suites one after the other, goes on after a failure, sums up.
# shellcheck shell=bash
logs="$target/suite-logs"
summary=()
failures=()
# Of this script's last run; there when something failed.
failures_file="$logs/failures-of-${0##*/}.txt"
rm -f "$failures_file"
passed=0
failed=0

# suite NAME SECONDS COMMAND…: a suite of tests. Its numbers are read from what it prints; a suite that ran no test failed.
suite() {
	local name=$1
	timed "$@"
	local good bad
	good=$(count "$log" passed)
	bad=$(count "$log" failed)
	local reason=''
	((code == 124 || code == 137)) && reason="stopped after $2 s"
	((code != 0 && bad == 0)) && bad=1
	((good + bad == 0)) && bad=1 reason='ran no test'
	account "$name" "$good" "$bad" "$reason"
}

# check NAME SECONDS COMMAND…: a command that only succeeds or fails.
check() {
	timed "$@"
	local reason=''
	((code == 124 || code == 137)) && reason="stopped after $2 s"
	if ((code == 0)); then account "$1" 1 0; else account "$1" 0 1 "$reason"; fi
}

# Runs a command with a time limit; what it prints goes to a log, and to the terminal when it failed or VERBOSE is set.
timed() {
	local name=$1 limit=$2
	shift 2
	mkdir -p "$logs"
	log="$logs/${name// /-}.log"
	say "-- $name"
	local begun=$SECONDS
	# --foreground would leave the command's own children behind when the limit is reached.
	if [[ -n ${VERBOSE:-} ]]; then
		timeout --kill-after=10 "$limit" "$@" 2>&1 | tee "$log"
		code=${PIPESTATUS[0]}
	else
		timeout --kill-after=10 "$limit" "$@" >"$log" 2>&1
		code=$?
	fi
	took=$((SECONDS - begun))
	((code == 0)) || [[ -n ${VERBOSE:-} ]] || show_failure "$log"
	((code == 0)) || note_failure "$name"
}

show_failure() {
	tail -n "${FAILURE_LINES:-120}" "$1" | sed 's/^/   | /'
	say "   (all of it: $1)"
}

# Notes which tests failed and their first words, for the end: what follows a failure may be longer than anybody scrolls back.
note_failure() {
	failures+=("== $1 failed, its log says:"$'\n'"$(sed 's/\x1b\[[0-9;]*m//g' "$log" | awk '
		/^✖ failing tests:/        { listed = 1; next }
		listed && /^✖ /            { left = 12 }
		/^test .*(FAILED|FAIL)$/    { left = 1 }
		/^ *FAIL  /                { left = 8 }
		/panicked at/              { left = 5 }
		/^(error|npm error|make)/  { if (left < 1) left = 1 }
		left-- > 0' | head -n 60)")
}

account() {
	local name=$1 good=$2 bad=$3 reason=${4:-}
	passed=$((passed + good)) failed=$((failed + bad))
	local word=ok
	((bad == 0)) || word=FAILED
	summary+=("$(printf '%-6s %-22s %5d passed %3d failed %4d s  %s' "$word" "$name" "$good" "$bad" "$took" "$reason")")
}

# count LOG passed|failed: adds up the sums that cargo, wasm-bindgen, vitest and node print.
count() {
	local words='passed'
	[[ $2 == failed ]] && words='failed|fail|cancelled' || words='passed|pass'
	sed 's/\x1b\[[0-9;]*m//g' "$1" | awk -v words="$words" '
		/^test result: /           { line = $0; while (match(line, "[0-9]+ (" words ")")) { sum += substr(line, RSTART); line = substr(line, RSTART + RLENGTH) } }
		/^ *Tests  /               { line = $0; while (match(line, "[0-9]+ (" words ")")) { sum += substr(line, RSTART); line = substr(line, RSTART + RLENGTH) } }
		$0 ~ "^(ℹ|#) (" words ") [0-9]+$" { sum += $3 }
		END { print sum + 0 }'
}

finish() {
	say ''
	printf '%s\n' "${summary[@]}"
	say "$passed passed, $failed failed"
	((${#failures[@]} == 0)) || printf '%s\n' '' "${failures[@]}" | tee "$failures_file"
	((failed == 0))
}

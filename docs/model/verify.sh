#!/usr/bin/env bash
# Searches the models in this directory exhaustively, and makes sure that each broken variant is rejected for the reason
# it was broken for. Needs spin and a C compiler; installs nothing; works in a temporary directory.
#
# Exit codes: 0 all as it must be, or skipped because a tool is absent; 1 a model said something else.
set -euo pipefail

compiler=${CC:-cc}
for tool in spin "$compiler"; do
	if ! command -v "$tool" >/dev/null; then
		echo "skipped: $tool is not installed"
		exit 0
	fi
done
models=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0

# search MODEL FLAGS... leaves the output of the search in $work/output and the seconds it took in $seconds.
search() {
	local model=$1 began=$SECONDS
	shift
	rm -rf "$work/search"
	mkdir "$work/search"
	(
		cd "$work/search"
		spin -a "$@" "$models/$model.pml"
		# The generated code trips warnings that say nothing about the model.
		"$compiler" -w -O2 -DSAFETY -DNOFAIR -DCOLLAPSE -DMEMLIM=2000 -o pan pan.c
		./pan -m100000 -w22
	) >"$work/output" 2>&1 || true
	seconds=$((SECONDS - began))
}

row() {
	local states memory
	states=$(sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1/p' "$work/output" | head -1)
	memory=$(sed -n 's/^ *\([0-9]*\)[0-9.]*\ttotal actual memory usage.*/\1/p' "$work/output" | head -1)
	printf '%-88s %-26s %10s %5s %6s\n' "$1" "$2" "${states:-?}" "${seconds}s" "${memory:-?}MB"
}

wrong() {
	row "$1" "WRONG: $2"
	tail -20 "$work/output" >&2
	failures=$((failures + 1))
}

incomplete='max search depth too small|out of memory|Search not completed|memory limit|aborted'

# holds MODEL FLAGS...: nothing is violated anywhere, and the search left nothing out.
holds() {
	search "$@"
	if grep -q 'errors: 0$' "$work/output" && ! grep -Eq "$incomplete" "$work/output"; then
		row "$*" "holds"
	else
		wrong "$*" "must hold"
	fi
}

# rejected PROPERTY MODEL FLAGS...: the search finds a way to violate just this property.
rejected() {
	local property=$1
	shift
	search "$@"
	if grep -q "assertion violated $property " "$work/output"; then
		row "$*" "rejected: $property"
	else
		wrong "$*" "must violate $property"
	fi
}

printf '%-88s %-26s %10s %5s %8s\n' "model" "result" "states" "time" "memory"
holds lease
holds parti -DPARTITIONS=1 -DSESSIONS=2 -DTERMS=2 -DVERSIONS=4
holds parti -DPARTITIONS=1 -DSESSIONS=2 -DTERMS=3 -DVERSIONS=3
holds parti -DPARTITIONS=2 -DSESSIONS=1 -DTERMS=2 -DVERSIONS=3
holds parti -DPARTITIONS=2 -DSESSIONS=2 -DTERMS=2 -DVERSIONS=2
holds parti -DPARTITIONS=2 -DSESSIONS=2 -DTERMS=1 -DVERSIONS=3

rejected I5_one_identity lease -DONLY=5 -DBREAK_MARGIN
rejected I5_one_identity lease -DONLY=5 -DBREAK_FENCING
rejected I5_one_identity lease -DONLY=5 -DBREAK_ANSWER
rejected Entry_is_live lease -DONLY=0 -DBREAK_MARGIN
rejected Entry_is_live lease -DONLY=0 -DBREAK_ANSWER
rejected Entry_is_live lease -DONLY=0 -DBREAK_FIRST
rejected Entry_is_live lease -DONLY=0 -DLIMIT_TAKEOVER

small=(-DPARTITIONS=1 -DSESSIONS=2 -DTERMS=2 -DVERSIONS=3)
rejected I1_exclusive parti "${small[@]}" -DONLY=1 -DBREAK_GRANT
rejected I1_exclusive parti "${small[@]}" -DONLY=1 -DBREAK_ACKNOWLEDGE
rejected I1_exclusive parti "${small[@]}" -DONLY=1 -DBREAK_EXPIRY
rejected I1_exclusive parti "${small[@]}" -DONLY=1 -DBREAK_SESSION
rejected I1_exclusive parti "${small[@]}" -DONLY=1 -DBREAK_SNAPSHOT
rejected I1_exclusive parti "${small[@]}" -DONLY=1 -DBREAK_UNKNOWN
rejected I1_exclusive parti "${small[@]}" -DONLY=1 -DBREAK_FENCE
rejected I2_fenced parti "${small[@]}" -DONLY=2 -DBREAK_VERSION
rejected I6_one_writer parti "${small[@]}" -DONLY=6 -DBREAK_FENCE

if [ "$failures" -gt 0 ]; then
	echo "$failures of the searches did not end as they must"
	exit 1
fi
echo "all as it must be"

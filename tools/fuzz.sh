#!/usr/bin/env bash
# Runs every fuzz target of the module for a while each, one after the other: tools/fuzz.sh 30s.
# What one finds is left under testdata/fuzz beside the target, for a person to look at and
# commit as a seed; the rest go on, and the exit code is 1.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-30s}
failed=()
while IFS=: read -r file target; do
	package=./$(dirname "$file")
	echo "== $package $target"
	go test "$package" -run '^$' -fuzz "^$target\$" -fuzztime "$seconds" || failed+=("$package $target")
done < <(git ls-files '*_test.go' | xargs grep -HoE '^func Fuzz[A-Za-z0-9]+' | sed 's/:func /:/')
if ((${#failed[@]})); then
	printf 'found something: %s\n' "${failed[@]}" >&2
	exit 1
fi

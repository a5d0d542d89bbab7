#!/usr/bin/env bash
# Builds one pinned program from its own module: tools/build.sh MODULE PACKAGE OUT [go build flags].
# Shows how far it is, counted in packages: a first build takes minutes.
set -euo pipefail
module=$1 package=$2 out=$3
shift 3
name=$(basename "$out")
cd "$(dirname "$0")/$module"
printf '%-14s fetching modules …' "$name" >&2
total=$(go list "$@" -deps "$package" 2>/dev/null | wc -l)
log=$(mktemp)
trap 'rm -f "$log"' EXIT
go build -v "$@" -o "$out" "$package" 2>"$log" &
build=$!
done=0
while kill -0 "$build" 2>/dev/null; do
	done=$(wc -l <"$log")
	[ -t 2 ] && printf '\r\033[K%-14s %4d of at most %d packages' "$name" "$done" "$total" >&2
	sleep 0.5
done
if ! wait "$build"; then
	printf '\r%-14s failed:\n' "$name" >&2
	cat "$log" >&2
	exit 1
fi
[ -t 2 ] && printf '\r\033[K' >&2 || printf '\n' >&2
printf '%-14s built, %d of %d packages compiled\n' "$name" "$(wc -l <"$log")" "$total" >&2

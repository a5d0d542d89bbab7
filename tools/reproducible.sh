#!/usr/bin/env bash
# Builds the commit that is checked out twice, in different directories, and compares the
# binaries: what somebody else builds of it is what we have built.
set -euo pipefail

source=$(git rev-parse --show-toplevel)
at=$(mktemp -d)
trap 'rm -rf "$at"' EXIT
for copy in one another/directory; do
	git clone --quiet --no-local "$source" "$at/$copy"
	make --silent -C "$at/$copy" build >/dev/null
	sha256sum <"$at/$copy/bin/foreshock"
done | sort -u >"$at/sums"
if [ "$(wc -l <"$at/sums")" != 1 ]; then
	echo "two builds of $(git rev-parse --short HEAD) differ:"
	cat "$at/sums"
	exit 1
fi
echo "both builds of $(git rev-parse --short HEAD) are $(cut -d' ' -f1 "$at/sums")"

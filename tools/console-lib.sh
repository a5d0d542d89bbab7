#!/bin/bash
# Fetches the console's libraries from npm, at the versions pinned here, and writes
# console/assets/lib with its manifest. Files are as published, but for the name by which one
# module imports another, since a page has no import map under our policy, and for the
# comments that name source maps.
set -eu -o pipefail
cd "$(dirname "$0")/.."
lib=$PWD/console/assets/lib
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
mkdir -p "$lib"

entries=()
take() { # PACKAGE VERSION FILE-IN-PACKAGE FILE-HERE LICENCE
	local dir=$tmp/$1-$2
	[ -d "$dir" ] || { (cd "$tmp" && npm pack --silent "$1@$2" >/dev/null) && mkdir "$dir" && tar xzf "$tmp/$1-$2.tgz" -C "$dir"; }
	sed -e 's#from"preact"#from"./preact.mjs"#g' -e '/sourceMappingURL/d' "$dir/package/$3" >"$lib/$4"
	entries+=("{\"file\": \"$4\", \"package\": \"$1\", \"version\": \"$2\", \"path\": \"$3\", \"licence\": \"$5\", \"sha256\": \"$(sha256sum "$lib/$4" | cut -d' ' -f1)\"}")
}

take preact 11.2.0 dist/preact.mjs preact.mjs MIT
take preact 11.2.0 hooks/dist/hooks.mjs hooks.mjs MIT
take preact 11.2.0 LICENSE LICENSE.preact.txt MIT
take htm 3.1.1 dist/htm.module.js htm.mjs Apache-2.0
take htm 3.1.1 LICENSE LICENSE.htm.txt Apache-2.0
take uplot 1.6.32 dist/uPlot.iife.min.js uplot.js MIT
take uplot 1.6.32 dist/uPlot.min.css uplot.css MIT
take uplot 1.6.32 LICENSE LICENSE.uplot.txt MIT

{
	echo '['
	for i in "${!entries[@]}"; do
		echo "  ${entries[$i]}$([ "$i" -lt $((${#entries[@]} - 1)) ] && echo ,)"
	done
	echo ']'
} >"$lib/manifest.json"

#!/bin/sh
# Stops the process whose pid stands in the file $1, and nothing else.
set -eu
pid=$(cat "$1")
case $pid in
'' | *[!0-9]*) echo "no pid in $1" >&2; exit 1 ;;
esac
kill "$pid"
echo "stopped process $pid"

#!/usr/bin/env bash
# Stands before a program of SLURM's under that program's name: runs it, and adds a line with the name and the bytes it
# printed to the file `calls` beside itself. Put its folder where the operator looks for programs, not on PATH.
set -uo pipefail
name=${0##*/}
folder=$(dirname "$0")
printed=$(mktemp "$folder/printed.XXXXXX")
"$name" "$@" >"$printed"
code=$?
echo "$name $(stat --format=%s "$printed")" >>"$folder/calls"
cat "$printed"
rm "$printed"
exit "$code"

#!/bin/bash
# Builds the packages of the last commit twice. The second time has another
# directory, other file times, another umask and time zone, and an empty build
# cache, so it takes minutes. Every byte must be the same.
set -euo pipefail
here=$PWD commit=$(git rev-parse HEAD)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
[ -z "$(git status --porcelain)" ] || echo "note: what is not committed is not built here" >&2
unset MAKEFLAGS MAKELEVEL MFLAGS VERSION SOURCE_DATE_EPOCH

# built DIR TIME: makes the packages in a clone in DIR, with this file time.
built() {
	git clone -q "$here" "$1"
	git -C "$1" checkout -q --detach "$commit"
	find "$1" -path "$1/.git" -prune -o -type f -exec touch -d "$2" {} +
	make -s -C "$1" packages ARCHES="$ARCHES" >/dev/null
}

built "$work/one" '2001-01-01'
(
	umask 077
	export TZ=Asia/Tokyo LC_ALL=C.UTF-8 GOCACHE=$work/cache
	built "$work/another-and-longer" '2021-12-31'
)
diff "$work/one/dist/SHA256SUMS" "$work/another-and-longer/dist/SHA256SUMS" || { echo "not the same bytes (left: built here with cache)"; exit 1; }
cat "$work/one/dist/SHA256SUMS"
echo "both times the same bytes"

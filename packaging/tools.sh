#!/bin/sh
# lacks WHAT: ends the script because something is missing. With SHORT=1 it says
# SKIPPED; otherwise it fails, because an unchecked package may be wrong.
lacks() {
	if [ -n "${SHORT:-}" ]; then
		echo "SKIPPED: $0 needs $1" >&2
		exit 0
	fi
	echo "$0 needs $1; SHORT=1 leaves this out" >&2
	exit 1
}

# need COMMAND PACKAGE: installs PACKAGE with apt if COMMAND is missing.
need() {
	command -v "$1" >/dev/null && return
	if [ -n "${SHORT:-}" ] || ! command -v apt-get >/dev/null || [ "$(id -u)" != 0 ]; then
		lacks "$1 (package $2; root and apt would install it)"
	fi
	echo "installing $2 for $1"
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$2" >/dev/null 2>&1 ||
		{ apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$2"; } >/dev/null
}

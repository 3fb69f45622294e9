#!/bin/sh
# need COMMAND PACKAGE: installs PACKAGE with apt where COMMAND is missing, and
# ends the script with a loud word where that is impossible.
need() {
	command -v "$1" >/dev/null && return
	if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ] && [ -z "${SHORT:-}" ]; then
		echo "installing $2 for $1"
		apt-get install -y -qq --no-install-recommends "$2" >/dev/null 2>&1 ||
			{ apt-get update -qq && apt-get install -y -qq --no-install-recommends "$2"; } >/dev/null
		return
	fi
	echo "SKIPPED: $0 needs $1 (package $2), root and apt would install it" >&2
	exit 0
}

#!/bin/sh
# Prints the packages' version for the output of git describe ($1). dpkg and rpm
# sort it right: a release candidate before its release, later commits after it,
# and commits without any tag by their time.
set -eu
described=${1#v}
changed=
case $described in *-dirty) described=${described%-dirty} changed=dirty ;; esac
case $described in
[0-9]*.[0-9]*.[0-9]*)
	version=$(printf '%s' "$described" | sed -E \
		-e 's/-([0-9]+)-g([0-9a-f]+)$/+\1.\2/' -e 's/-/~/' -e 's/-/./g')
	case $version in *+*) join=. ;; *) join=+ ;; esac
	;;
*)
	when=$(TZ=UTC git log -1 --date=format-local:%Y%m%d%H%M%S --format=%cd "$described" -- 2>/dev/null) || when=
	version=0.0.0~git$when.$(printf '%s' "$described" | tr -c '0-9A-Za-z' .)
	join=.
	;;
esac
echo "$version${changed:+$join$changed}"

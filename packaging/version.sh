#!/bin/sh
# Prints the packages' version for what git describe said ($1). It sorts as
# dpkg and rpm sort: a release candidate before its release, later commits after
# it; without any tag, by the commit's time.
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

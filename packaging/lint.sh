#!/bin/bash
# packaging/lint.sh ARCH...   checks the packages in dist/: lintian reports
# neither errors nor warnings, and each kind has the files and modes of
# contents.txt. (Another Debian release of lintian may report more.)
set -euo pipefail
export LC_ALL=C TZ=UTC
. packaging/tools.sh
need lintian lintian
need rpm rpm
need man man-db

in_deb() { dpkg-deb -c "$1" | awk '{sub(/^\./, "", $6); sub(/\/$/, "", $6); print $1, $2, $6}'; }
in_rpm() { rpm -qplv "$1" | awk '{print $1, $3 "/" $4, $9}'; }
in_tar() { tar tvzf "$1" | awk '{sub(/^[^\/]*/, "", $6); sub(/\/$/, "", $6); sub("0/0", "root/root", $2); print $1, $2, $6}'; }

# expected KIND: the files that it must have, by contents.txt and packaging/man.
expected() {
	awk -v kind="$1" '!/^#/ && NF && index($1, kind) {print $2, $3, $4}' packaging/contents.txt
	for page in packaging/man/*; do
		echo "-rw-r--r-- root/root /usr/share/man/man${page##*.}/${page##*/}.gz"
	done
}

# same KIND FILE: contents.txt names the directories that are the package's own;
# all others must be root's, with mode 755.
same() {
	kind=$1 file=$2
	"in_$kind" "$file" | sort >dist/contents
	grep '^d' dist/contents | grep -v '^drwxr-xr-x root/root' && { echo "$file: a directory that is not as all are"; return 1; }
	diff <(expected "$kind" | sort) <(grep -E '^[^d]|/flowkeeper$' dist/contents) || { echo "$file: <expected, >found; see packaging/contents.txt"; return 1; }
}

config=/etc/flowkeeper/flowkeeper.yaml
for arch; do
	case $arch in amd64) machine=x86_64 ;; arm64) machine=aarch64 ;; *) machine=$arch ;; esac
	deb=$(ls dist/flowkeeper_*_"$arch".deb) rpm=$(ls dist/flowkeeper-*."$machine".rpm) tar=$(ls dist/flowkeeper_*_linux_"$arch".tar.gz)
	lintian --allow-root --fail-on error,warning "$deb"
	same deb "$deb"
	same rpm "$rpm"
	same tar "$tar"
	[ "$(dpkg-deb --ctrl-tarfile "$deb" | tar xO ./conffiles)" = $config ] || { echo "$deb: $config is no conffile"; exit 1; }
	[ "$(rpm -qp --qf '[%{FILENAMES} %{FILEFLAGS:fflags}\n]' "$rpm" | awk '$2 ~ /c/')" = "$config cn" ] || { echo "$rpm: $config is not config(noreplace)"; exit 1; }
done
(cd dist && sha256sum --quiet -c SHA256SUMS)
rm -f dist/contents

for page in packaging/man/*; do
	warnings=$(man --warnings -l "$page" 2>&1 >/dev/null)
	[ -z "$warnings" ] || { echo "$page: $warnings"; exit 1; }
done
echo "packages are as they should be"

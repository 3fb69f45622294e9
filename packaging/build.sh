#!/bin/sh
# packaging/build.sh VERSION ARCH...   puts .deb, .rpm, .tar.gz and SHA256SUMS
# into dist/. `make packages` calls it, once `make` has built dist/bin/ARCH/.
# The same commit gives the same bytes: file times are the commit's, and names are
# sorted.
set -eu
umask 022
export LC_ALL=C TZ=UTC
version=$(packaging/version.sh "$1")
shift

export SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}"
export MAINTAINER="${MAINTAINER:-Flowkeeper maintainers <maintainers@flowkeeper.invalid>}"
export PACKAGE_VERSION="$version"
stage=dist/stage
doc=$stage/usr/share/doc/flowkeeper

# notices: the licences that must come with the modules in the binary.
notices() {
	echo "Flowkeeper contains the Go standard library and the modules below, under these terms."
	printf '\n== go\n\n'
	cat "$($GO env GOROOT)/LICENSE"
	GOOS=linux $GO list -deps -f '{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}} {{.Dir}}{{end}}{{end}}' ./cmd/flowkeeper |
		sort -u | while read -r module of dir; do
		printf '\n== %s %s\n\n' "$module" "$of"
		find "$dir" -maxdepth 1 -type f \( -iname 'licen[sc]e*' -o -iname 'notice*' -o -iname 'copying*' \) | sort | xargs cat
	done
}

changelog() {
	echo "flowkeeper ($version-1) unstable; urgency=medium"
	printf '\n  * What changed is in changelog.gz.\n\n'
	echo " -- $MAINTAINER  $(date -R -d "@$SOURCE_DATE_EPOCH")"
}

stage() {
	rm -rf $stage dist/flowkeeper* dist/SHA256SUMS
	${MAKE:-make} --no-print-directory install DESTDIR=$stage PREFIX=/usr >/dev/null
	mkdir -p $doc dist/deb
	gzip -9n $stage/usr/share/man/*/*
	changelog | gzip -9n >dist/deb/changelog.Debian.gz
	gzip -9n <CHANGELOG.md >$doc/changelog.gz
	notices | gzip -9n >$doc/notices.gz
	find $stage dist/deb -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
}

# package KIND ARCH
package() {
	zsh=/usr/share/zsh/site-functions
	[ "$1" = rpm ] || zsh=/usr/share/zsh/vendor-completions
	STAGE=$stage BINARY=dist/bin/$2/flowkeeper ARCH=$2 ZSH=$zsh $GO run "$NFPM" package --config packaging/nfpm.yaml --packager "$1" --target dist/
}

# tarball ARCH: the files have the same paths as in the packages.
tarball() {
	name=flowkeeper_${version}_linux_$1
	rm -rf dist/tar
	mkdir -p "dist/tar/$name"
	(cd $stage && cp -r etc usr "../tar/$name/")
	install -m 0644 LICENSE README.md "dist/tar/$name/"
	install -m 0755 "dist/bin/$1/flowkeeper" "dist/tar/$name/usr/bin/flowkeeper"
	tar -C dist/tar --sort=name --format=ustar --owner=0 --group=0 --numeric-owner \
		--mtime="@$SOURCE_DATE_EPOCH" -cf - "$name" | gzip -9n >"dist/$name.tar.gz"
	rm -rf dist/tar
}

stage
for arch; do
	touch -d "@$SOURCE_DATE_EPOCH" "dist/bin/$arch/flowkeeper"
	package deb "$arch"
	package rpm "$arch"
	tarball "$arch"
done
(cd dist && sha256sum flowkeeper* >SHA256SUMS && cat SHA256SUMS)

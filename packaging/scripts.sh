#!/bin/bash
# Installs, upgrades, removes and purges packages with their real scripts in an
# empty root: first without systemd, then with stand-ins that note their calls.
# It compares the calls with scripts.txt (--update writes that file). These
# packages have no real binary, because only their scripts are tested.
set -euo pipefail
export LC_ALL=C
. packaging/tools.sh
[ "$(id -u)" = 0 ] || lacks "root, for chroot"
need rpm rpm
need busybox busybox-static

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
echo '#!/bin/sh' >"$work/flowkeeper"
export STAGE=dist/stage BINARY=$work/flowkeeper ARCH=all ZSH=/usr/share/zsh/site-functions MAINTAINER='Nobody <nobody@flowkeeper.invalid>'
for kind in deb rpm; do
	for version in 1.0 2.0; do
		PACKAGE_VERSION=$version $GO run "$NFPM" package -f packaging/nfpm.yaml -p $kind -t "$work/$version.$kind" >/dev/null
	done
done

# root NAME: makes a root directory with a shell and without systemd.
root() {
	root=$work/$1
	mkdir -p "$root"/{bin,usr/bin,etc/other,dev,var/lib/dpkg/{info,updates},var/lib/rpm,tmp}
	touch "$root"/var/lib/dpkg/{status,available} "$root/dev/null"
	cp "$(command -v busybox)" "$root/bin/"
	for applet in sh rm cat true; do ln -s busybox "$root/bin/$applet"; done
}

# helpers NAME...: makes stand-ins of these commands. was-enabled succeeds if
# $root/enabled exists.
helpers() {
	for name; do
		printf '#!/bin/sh\necho "%s $*" >>/calls\n%s\n' "$name" "$([ "$name" != deb-systemd-helper ] || echo 'case $* in *installed*|*was-enabled*) [ -e /enabled ] ;; esac')" >"$root/usr/bin/$name"
		chmod +x "$root/usr/bin/$name"
	done
}

# try WHAT COMMAND...: prints what our scripts printed and called, and which files
# are left. The output of dpkg and rpm themselves is left out: it differs by version.
try() {
	echo "== $1"
	shift
	: >"$root/calls"
	"$@" >"$work/said" 2>&1 || cat "$work/said"
	grep -E "^Set |^flowkeeper|scriptlet|can't|not found" "$work/said" || true
	sed 's/^/  /' "$root/calls"
	for path in etc/flowkeeper/flowkeeper.yaml etc/flowkeeper/secret var/lib/private/flowkeeper/state.db usr/bin/flowkeeper; do
		[ ! -e "$root/$path" ] || echo "  left: /$path"
	done
}

# used: plays that an administrator has configured Flowkeeper, and that it ran.
used() {
	mkdir -p "$root/var/lib/private/flowkeeper"
	ln -sfn private/flowkeeper "$root/var/lib/flowkeeper"
	touch "$root/var/lib/private/flowkeeper/state.db" "$root/etc/flowkeeper/secret" "$root/enabled"
	echo '# mine' >>"$root/etc/flowkeeper/flowkeeper.yaml"
}

deb() {
	local dpkg=(dpkg "--root=$root" --force-depends --force-confold --log=/dev/null)
	try "deb, $1: install" "${dpkg[@]}" -i "$work/1.0.deb"
	used
	try "deb, $1: upgrade" "${dpkg[@]}" -i "$work/2.0.deb"
	grep -q mine "$root/etc/flowkeeper/flowkeeper.yaml" || echo "the configuration was overwritten"
	try "deb, $1: a removal that is called off" chroot "$root" /bin/sh -c '
		for script in "prerm remove" "postinst abort-remove"; do
			sh /var/lib/dpkg/info/flowkeeper.$script in-favour another 1.0
		done'
	try "deb, $1: remove" "${dpkg[@]}" -r flowkeeper
	try "deb, $1: purge" "${dpkg[@]}" -P flowkeeper
	find "$root/var/lib" "$root/etc" -name 'flowkeeper*' -not -path '*/dpkg/*'
}

rpm_() {
	local rpm=(rpm --root "$root" --nodeps --nosignature)
	try "rpm, $1: install" "${rpm[@]}" -i "$work/1.0.rpm"
	used
	try "rpm, $1: upgrade" "${rpm[@]}" -U "$work/2.0.rpm"
	grep -q mine "$root/etc/flowkeeper/flowkeeper.yaml" || echo "the configuration was overwritten"
	try "rpm, $1: remove" "${rpm[@]}" -e flowkeeper
	grep -q mine "$root/etc/flowkeeper/flowkeeper.yaml.rpmsave" || echo "the configuration was lost"
}

{
	root deb-bare && helpers deb-systemd-helper && deb "no systemd"
	root deb && mkdir -p "$root/run/systemd/system" && helpers deb-systemd-helper deb-systemd-invoke systemctl && deb "systemd runs"
	root rpm-bare && rpm_ "no systemd"
	root rpm-chroot && helpers systemctl && rpm_ "systemd does not run"
	root rpm && mkdir -p "$root/run/systemd/system" && helpers systemctl && rpm_ "systemd runs"
} >"$work/scripts.txt"
[ "${1:-}" != --update ] || cp "$work/scripts.txt" packaging/scripts.txt
diff packaging/scripts.txt "$work/scripts.txt" || { echo "the scripts do something else than packaging/scripts.txt says"; exit 1; }
echo "the packages' scripts do what they should"

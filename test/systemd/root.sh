#!/bin/sh
# Makes a small Debian 12 that boots, as a tar file: root.sh FILE. Another text
# of this script is another file in the cache. Debian's updates come with the
# mirror, so that two machines may differ by a security fix.
set -eu
root=$(mktemp -d)
trap 'rm -rf "$root" "$root.log"' EXIT
trap 'exit 1' INT TERM
chmod 0755 "$root" # it becomes /, which all users pass through
debootstrap --variant=minbase --include=systemd,dbus,ca-certificates bookworm "$root" >"$root.log" 2>&1 || {
	tail -n 25 "$root.log" >&2
	exit 1
}
rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/var/log/*
# Nobody logs in, and each start is a machine of its own.
ln -s /dev/null "$root/etc/systemd/system/console-getty.service"
: >"$root/etc/machine-id"
tar -C "$root" --numeric-owner -cf "$1" .

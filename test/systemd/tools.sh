#!/bin/sh
# Installs what boots the container of these tests, where it is missing.
set -eu
missing=
for tool in systemd-nspawn:systemd-container debootstrap:debootstrap nsenter:util-linux; do
	command -v "${tool%%:*}" >/dev/null || missing="$missing ${tool#*:}"
done
[ -n "$missing" ] || exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
	echo "install these first, as root:$missing" >&2
	exit 1
fi
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update
# shellcheck disable=SC2086 # one word a package
apt-get -qq install -y --no-install-recommends $missing

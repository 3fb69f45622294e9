#!/bin/sh
# Installs the missing ones of the programs that boot the container of these
# tests. Run it from the top of the repository.
set -eu
. packaging/tools.sh
need systemd-nspawn systemd-container
need debootstrap debootstrap
need nsenter util-linux

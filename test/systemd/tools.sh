#!/bin/sh
# Installs what boots the container of these tests, where it is missing. Run it
# from the top of the repository.
set -eu
. packaging/tools.sh
need systemd-nspawn systemd-container
need debootstrap debootstrap
need nsenter util-linux

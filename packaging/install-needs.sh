#!/bin/sh
# Installs those of the named Debian packages that are missing: as root, or with sudo.
set -eu

missing=""
for package in "$@"; do
    status=$(dpkg-query --show --showformat '${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$status" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ]; then
    as_root=env
elif command -v sudo >/dev/null; then
    as_root="sudo env"
else
    echo "These packages are missing, and there is no sudo to install them with:$missing" >&2
    exit 1
fi
echo "Installing$missing"
# A server that comes with a package is for the tests to start, not for the host.
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086 # words are what is meant
install() { $as_root DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install --yes --no-install-recommends --quiet=2 $missing; }
install || { $as_root apt-get update --quiet=2 && install; }

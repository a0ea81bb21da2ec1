#!/bin/sh
# Packs a release build of the daemon as a Debian package: make-deb.sh BITTERN MANUAL DIRECTORY
# DIRECTORY/bittern_VERSION_amd64.deb is the package; everything else is made in DIRECTORY/deb, anew each time.
# Its version is the daemon's own, or $VERSION; its dates are $SOURCE_DATE_EPOCH, or that of the last commit.
set -eu
BITTERN=$(realpath "$1")
manual=$(realpath "$2")
mkdir -p "$3"
directory=$(realpath "$3")
SOURCES=$(realpath "$(dirname "$0")/..")

version=${VERSION:-$("$BITTERN" --version)}
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$SOURCES" log -1 --format=%ct 2>/dev/null || date +%s)}
PAGES=$directory/deb/man
COMPLETIONS=$directory/deb/completions
export BITTERN SOURCES SOURCE_DATE_EPOCH PAGES COMPLETIONS

rm -rf "$directory/deb"
mkdir -p "$COMPLETIONS" "$directory/deb/tree"
sh "$SOURCES/packaging/make-man.sh" "$BITTERN" "$manual" "$PAGES"
# bash reads it and does not run it, so it has no business with an interpreter of its own.
"$BITTERN" --generate-completion-script bash >"$COMPLETIONS/bittern.sh"
sed '1{/^#!/d}' "$COMPLETIONS/bittern.sh" >"$COMPLETIONS/bittern.bash"
"$BITTERN" --generate-completion-script zsh >"$COMPLETIONS/_bittern"
"$BITTERN" --generate-completion-script fish >"$COMPLETIONS/bittern.fish"

# A copy, because debhelper works inside it and puts what it made beside it.
cp -R "$SOURCES/packaging/debian" "$directory/deb/tree/debian"
cd "$directory/deb/tree"
date=$(LC_ALL=C date --utc --date="@$SOURCE_DATE_EPOCH" --rfc-email)
sed -e "s/@VERSION@/$version/g" -e "s/@DATE@/$date/" debian/changelog.in >debian/changelog
rm debian/changelog.in

dpkg-buildpackage --build=binary --no-sign
# What lintian finds is mended, or has its reason in bittern.lintian-overrides.
lintian --fail-on error,warning --tag-display-limit 0 "$directory/deb/bittern_${version}_amd64.deb"
mv "$directory/deb/bittern_${version}_amd64.deb" "$directory"

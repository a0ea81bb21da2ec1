#!/bin/sh
# Writes the manual pages into a directory: make-man.sh BITTERN MANUAL DIRECTORY
# Their date is $SOURCE_DATE_EPOCH, or that of the last commit, so that the same sources make the same pages.
set -eu
bittern=$1
manual=$2
directory=$3
pages=$(dirname "$0")/man

version=$("$bittern" --version)
epoch=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}
date=$(LC_ALL=C date --utc --date="@$epoch" '+%B %-d, %Y')
mkdir -p "$directory"

fill() {
    # Comments are for whoever writes the pages.
    sed -e '/^\.\\"/d' -e "s/@VERSION@/$version/" -e "s/@DATE@/$date/"
}

# Not in one pipe, which would hide that the first program failed.
"$bittern" --experimental-dump-help >"$directory/help.json"
"$manual" "$pages/bittern.1" <"$directory/help.json" >"$directory/bittern.1.unfilled"
fill <"$directory/bittern.1.unfilled" >"$directory/bittern.1"
rm "$directory/help.json" "$directory/bittern.1.unfilled"
for page in bittern.yaml.5 bittern-app.5; do
    fill <"$pages/$page" >"$directory/$page"
done

#!/bin/sh
# Writes what the product's own tests and samples have as first inputs: seed.sh DIRECTORY, in the repository's root.
set -eu
directory=$1
mkdir -p "$directory/delivery" "$directory/configuration" "$directory/runner"
# The first byte says whose delivery it is, and which event.
for file in Tests/ProvidersTests/Fixtures/cloud/*.json; do
    { printf '\000' && cat "$file"; } >"$directory/delivery/cloud-$(basename "$file")"
done
for file in Tests/ProvidersTests/Fixtures/datacenter/*.json; do
    { printf '\003' && cat "$file"; } >"$directory/delivery/datacenter-$(basename "$file")"
done
for file in etc/bittern.yaml etc/apps.d/shop.yaml; do
    cp "$file" "$directory/configuration"
    # Again with every key in force.
    sed 's/^# \([a-z_]*:\)/\1/' "$file" >"$directory/configuration/all-$(basename "$file")"
done
for verb in wait stop query; do
    printf '{"job":42,"position":4,"start":2,"verb":"%s"}\n' "$verb" >"$directory/runner/$verb"
done
commit=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
hash=0707070707070707070707070707070707070707070707070707070707070707
{
    printf '{"app":"shop","cause":"rollback","commit":"%s","configuration":"%s",' "$commit" "$hash"
    printf '"go_back":{"commit":"%s","ref":"refs/tags/v1","release":41},' "$commit"
    printf '"job":42,"position":0,"previous":"%s","ref":"refs/heads/main","stage":"activate","start":2,"started":1767225600123,' "$commit"
    printf '"target":{"commit":"%s","release":40},"verb":"start"}\n' "$commit"
} >"$directory/runner/start"
while read -r name chore; do
    {
    printf '{"app":"shop","cause":"push","commit":"%s","configuration":"%s",' "$commit" "$hash"
    printf '"job":42,"position":5003,"ref":"refs/heads/main","round":7,"start":2,"started":1767225600123,"verb":"start",'
    printf '%s}\n' "$chore"
    } >"$directory/runner/chore-$name"
done <<END
keep "chore":"keep-caches","went_live":true
tree "chore":"prepare-tree"
clear "chore":"cache-clear"
remove "chore":"remove","release":{"commit":"$commit","release":40}
notify "chore":"notify","notice":0,"event":"failed","state":"failed","reason":"because"
END

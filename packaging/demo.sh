#!/bin/sh
# The main job from end to end, in a temporary directory: a real repository, a signed push, a live release.
# $1 is the bittern to show. KEEP=1 leaves the daemon running and says what to try. PORT is where hooks are heard.
set -eu

bittern=$(realpath "$1")
demo=$(mktemp --directory --tmpdir bittern-demo.XXXXXX)
daemon=""

finish() {
    status=$?
    trap - EXIT INT TERM
    if [ -n "$daemon" ]; then
        kill "$daemon" 2>/dev/null || true
        wait "$daemon" 2>/dev/null || true
    fi
    [ "$status" = 0 ] || { echo "The demo failed; the daemon said:" >&2; cat "$demo/daemon.log" >&2 || true; }
    rm -rf "$demo"
    exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
[ -t 1 ] || say() { printf '\n%s\n' "$*"; }

# git as it is on a machine where nobody has configured it.
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
export GIT_AUTHOR_NAME=Demo GIT_AUTHOR_EMAIL=demo@example.com GIT_COMMITTER_NAME=Demo GIT_COMMITTER_EMAIL=demo@example.com

say "A repository with a small site, a secret, and two configuration files"
git init --quiet --bare --initial-branch=main "$demo/site.git"
git init --quiet --initial-branch=main "$demo/checkout"
git -C "$demo/checkout" remote add origin "$demo/site.git"
mkdir "$demo/apps.d"
(umask 077 && head -c 24 /dev/urandom | base64 >"$demo/hook-secret")
port=${PORT:-8470}
if [ -z "${PORT:-}" ] && curl --silent --max-time 1 --output /dev/null "http://127.0.0.1:$port/"; then port=18470; fi
cat >"$demo/bittern.yaml" <<YAML
hooks: {listen: 127.0.0.1:$port}
control: {socket: $demo/control.sock}
state_directory: $demo/state
accounts:
  acme:
    kind: bitbucket-cloud
    hook_secret: file:hook-secret
YAML
cat >"$demo/apps.d/site.yaml" <<YAML
account: acme
repository: acme/site
clone_url: file://$demo/site.git
branch: main
root: $demo/srv/site
build:
  - {name: render, run: 'sed "s/COMMIT/\$BITTERN_COMMIT/" page.html > index.html'}
deploy:
  - echo "\$BITTERN_APP is live in \$BITTERN_RELEASE"
YAML
cat "$demo/bittern.yaml" "$demo/apps.d/site.yaml"
"$bittern" check "$demo/bittern.yaml"

say "The daemon starts"
"$bittern" serve --config "$demo/bittern.yaml" >"$demo/daemon.log" 2>&1 &
daemon=$!
export BITTERN_SOCKET="$demo/control.sock"
tries=0
until "$bittern" status >/dev/null 2>&1; do
    tries=$((tries + 1))
    [ "$tries" -lt 100 ] && kill -0 "$daemon" || exit 1
    sleep 0.1
done

# Commits a page, pushes it, and tells the daemon as Bitbucket Cloud would.
push() {
    printf '<h1>%s</h1>\n<p>COMMIT</p>\n' "$1" >"$demo/checkout/page.html"
    git -C "$demo/checkout" add page.html
    git -C "$demo/checkout" commit --quiet --message "$1"
    git -C "$demo/checkout" push --quiet origin main
    new=$(git -C "$demo/checkout" rev-parse HEAD)
    cat >"$demo/delivery.json" <<JSON
{"repository": {"full_name": "acme/site"}, "push": {"changes": [
  {"old": $2, "new": {"type": "branch", "name": "main", "target": {"hash": "$new"}}}]}}
JSON
    signature=$(openssl dgst -sha256 -hmac "$(cat "$demo/hook-secret")" -hex <"$demo/delivery.json" | sed 's/.* //')
    echo "POST /hooks/acme"
    curl --silent --show-error --fail-with-body --data-binary "@$demo/delivery.json" \
        --header 'Content-Type: application/json' --header 'X-Event-Key: repo:push' \
        --header "X-Request-UUID: $(cat /proc/sys/kernel/random/uuid)" --header "X-Hub-Signature: sha256=$signature" \
        "http://127.0.0.1:$port/hooks/acme"
    echo
    old="{\"type\": \"branch\", \"name\": \"main\", \"target\": {\"hash\": \"$new\"}}"
}

# What must be there is there, or the demo fails.
live() {
    grep --quiet "$1" "$demo/srv/site/current/index.html"
    [ "$(cat "$demo/srv/site/current/REVISION")" = "$new" ]
    echo "$demo/srv/site/current -> $(readlink "$demo/srv/site/current")"
    cat "$demo/srv/site/current/index.html"
}

say "The first push, signed"
push "Hello" null
"$bittern" log 1 --follow
say "What is live"
live "Hello"

say "One more push"
push "Hello again" "$old"
"$bittern" log 2 --follow
say "What is live"
live "Hello again"

say "The daemon's own view"
"$bittern" status
echo
"$bittern" jobs

if [ "${KEEP:-}" = 1 ]; then
    say "The daemon goes on; Ctrl-C ends it. In another terminal:"
    echo "  export BITTERN_SOCKET=$BITTERN_SOCKET PATH=$(dirname "$bittern"):\$PATH"
    echo "  bittern status"
    echo "  bittern show 2"
    echo "  bittern log 2"
    echo "  cd $demo/checkout"
    echo "  git push origin main        # after a change of page.html and a commit; no forge tells of it, so:"
    echo "  bittern simulate push site"
    echo "  tail -f $demo/daemon.log"
    echo "What there is besides: bittern --help, and \"Day to day\" in README.md."
    # Ending it is what was announced, and no failure.
    trap 'echo; exit 0' INT TERM
    wait "$daemon" || true
fi
say "Done."

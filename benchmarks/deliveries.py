"""Deliveries of Bitbucket Cloud as it sends them: 5 KB of JSON each, signed, every one another move of one of 100 branches."""

import hashlib
import hmac
import json

SECRET = "benchmark-secret-of-32-characters"
REFS = 100


def commit(number):
    return hashlib.sha1(str(number).encode()).hexdigest()


def person(name):
    base = "https://api.bitbucket.org/2.0/users/%7B0f2a1b3c-" + name
    return {
        "display_name": name, "type": "user", "uuid": "{0f2a1b3c-0000-4000-8000-000000000000}", "account_id": "557058:" + name,
        "nickname": name,
        "links": {"self": {"href": base}, "avatar": {"href": base + "/avatar"}, "html": {"href": "https://bitbucket.org/" + name}},
    }


def target(hash_, parent):
    base = "https://api.bitbucket.org/2.0/repositories/acme/shop/commit/" + hash_
    return {
        "type": "commit", "hash": hash_, "date": "2026-11-21T10:15:30+00:00", "author": {"type": "author", "raw": "Ann <ann@example.com>",
        "user": person("ann")}, "message": "Make the basket remember what was in it\n", "summary": {"type": "rendered",
        "raw": "Make the basket remember what was in it\n", "markup": "markdown", "html": "<p>Make the basket remember what was in it</p>"},
        "links": {"self": {"href": base}, "html": {"href": "https://bitbucket.org/acme/shop/commits/" + hash_}},
        "parents": [{"type": "commit", "hash": parent, "links": {"self": {"href": base}}}],
        "rendered": {}, "properties": {},
    }


def push(branch, old, new):
    ref = {"type": "branch", "name": branch, "merge_strategies": ["merge_commit", "squash", "fast_forward"],
           "default_merge_strategy": "merge_commit", "links": {"html": {"href": "https://bitbucket.org/acme/shop/branch/" + branch}}}
    return {
        "push": {"changes": [{
            "old": ref | {"target": target(old, commit("before"))}, "new": ref | {"target": target(new, old)}, "truncated": False,
            "created": False, "forced": False, "closed": False, "commits": [target(new, old)],
            "links": {"html": {"href": "https://bitbucket.org/acme/shop/branches/compare/" + new + ".." + old}}}]},
        "repository": {
            "type": "repository", "full_name": "acme/shop", "name": "shop", "scm": "git", "website": None, "is_private": True,
            "uuid": "{11111111-2222-4333-8444-555555555555}", "owner": person("acme"),
            "workspace": {"type": "workspace", "uuid": "{22222222-2222-4333-8444-555555555555}", "name": "Acme", "slug": "acme"},
            "project": {"type": "project", "key": "SHOP", "name": "Shop", "uuid": "{33333333-2222-4333-8444-555555555555}"},
            "links": {"self": {"href": "https://api.bitbucket.org/2.0/repositories/acme/shop"}}},
        "actor": person("ann"),
    }


def lines(count, first=0):
    """Yields `count` lines for deliver.lua; another `first`, other moves."""
    for number in range(first, first + count):
        ref, step = number % REFS, number // REFS
        body = json.dumps(push("feature/%d" % ref, commit((ref, step)), commit((ref, step + 1))))
        signature = hmac.new(SECRET.encode(), body.encode(), hashlib.sha256).hexdigest()
        identity = hashlib.md5(b"%d" % number).hexdigest()
        uuid = "-".join([identity[:8], identity[8:12], identity[12:16], identity[16:20], identity[20:]])
        yield "%s\t%s\t%s\n" % (uuid, signature, body)


def write(path, count, first=0):
    with open(path, "w") as file:
        file.writelines(lines(count, first))

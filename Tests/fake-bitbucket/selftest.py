#!/usr/bin/env python3
"""Tests of the fake Bitbucket itself, with real curl, git and openssl.

python3 selftest.py [--openapi DIR]: with the published descriptions their checks are tested too, and the scopes compared with them.
"""

import base64
import gzip
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True

import cloud  # noqa: E402
import datacenter  # noqa: E402

OPENAPI = None
GRANULAR = [
    "read:repository:bitbucket", "read:user:bitbucket", "read:workspace:bitbucket", "read:webhook:bitbucket", "write:webhook:bitbucket",
    "delete:webhook:bitbucket"]
ADDRESS = "https://deploy.example.com/hooks/acme"
HOOK = {"description": "Bittern", "url": ADDRESS, "active": True, "events": ["repo:push"], "secret": "s" * 20}
SERVER_HOOK = {
    "name": "Bittern", "url": ADDRESS, "active": True, "events": ["repo:refs_changed"],
    "configuration": {"secret": "s" * 20}, "sslVerificationRequired": True}
API = "https://api.bitbucket.org/2.0"
CALLBACK = "https://deploy.example.com/oauth/callback"


def scenario(bare):
    """Two forges with one repository of each sort of credential."""
    repository = {"workspace": "acme", "project": "WEB", "slug": "shop", "name": "Shop", "path": bare}
    many = [{**repository, "slug": f"site-{n:02}", "name": f"Site {n}"} for n in range(24)]
    access = {"kind": "access_token", "level": "repository"}
    other = {**repository, "slug": "secret", "name": "Secret"}
    return {
        "cloud": {
            "repositories": [repository, other, *many],
            "credentials": [
                {"kind": "api_token", "email": "ci@acme.example", "token": "ATATT1", "scopes": GRANULAR, "repositories": None},
                {**access, "token": "RAT", "scopes": ["repository", "webhook"], "repositories": ["acme/shop"]},
                {**access, "token": "POOR", "scopes": ["repository"], "repositories": None},
                {"kind": "oauth", "key": "key", "secret": "secret", "scopes": ["repository", "account"], "redirect_uris": [CALLBACK]},
                {"kind": "app_password", "username": "old", "password": "pass"},
            ]},
        "datacenter": {
            "version": "9.4.1",
            "repositories": [
                {"project": "SHOP", "slug": "shop", "name": "Shop", "id": 7, "path": bare},
                {"project": "~ann", "slug": "toy", "name": "Toy", "id": 8, "path": bare}],
            "credentials": [
                {"kind": "access_token", "token": "ADMIN", "permission": "PROJECT_ADMIN", "user": "ci", "repositories": None},
                {"kind": "access_token", "token": "READ", "permission": "REPO_READ", "user": "ci", "repositories": ["SHOP/shop"]},
                {"kind": "oauth", "key": "key", "secret": "secret", "redirect_uris": [CALLBACK]},
            ]},
    }


class Answer:
    """What curl brought back."""

    def __init__(self, status, headers, body):
        self.status, self.headers, self.text = status, headers, body

    @property
    def json(self):
        """The body, parsed."""
        return json.loads(self.text)


class Case(unittest.TestCase):
    """One server for each class of tests."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="fake-bitbucket-")
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.ca = os.path.join(cls.folder, "cert.pem")
        names = "subjectAltName=DNS:localhost,DNS:api.bitbucket.org,DNS:bitbucket.org,IP:127.0.0.1"
        cls.run_in(
            cls.folder, "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
            "-subj", "/CN=localhost", "-addext", names, "-keyout", "key.pem", "-out", "cert.pem")
        cls.make_repository()
        cls.start()

    @classmethod
    def run_in(cls, directory, *command, **more):
        environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0", **more}
        return subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, timeout=60)

    @classmethod
    def make_repository(cls):
        work = os.path.join(cls.folder, "work")
        cls.run_in(cls.folder, "git", "init", "--quiet", "--bare", "--initial-branch=main", "bare.git")
        cls.run_in(cls.folder, "git", "init", "--quiet", "--initial-branch=main", "work")
        with open(os.path.join(work, "a"), "w", encoding="utf-8") as file:
            file.write("one\n")
        cls.run_in(work, "git", "add", "a")
        cls.run_in(work, "git", "-c", "user.name=Ann", "-c", "user.email=ann@acme.example", "commit", "--quiet", "-m", "one")
        cls.run_in(work, "git", "push", "--quiet", "../bare.git", "HEAD:main", "HEAD:feature/x", "HEAD:release/1")
        cls.commit = cls.run_in(work, "git", "rev-parse", "HEAD").stdout.strip()

    @classmethod
    def start(cls):
        with open(os.path.join(cls.folder, "scenario.json"), "w", encoding="utf-8") as file:
            json.dump(scenario(os.path.join(cls.folder, "bare.git")), file)
        described = ["--openapi", OPENAPI] if OPENAPI else []
        cls.process = subprocess.Popen(
            [sys.executable, "-B", os.path.join(HERE, "serve.py"), "--scenario", "scenario.json", "--certificate", "cert.pem",
             "--key", "key.pem", *described], cwd=cls.folder, stdout=subprocess.PIPE, text=True)
        cls.addClassCleanup(cls.process.wait, 10)
        cls.addClassCleanup(cls.process.stdout.close)
        cls.addClassCleanup(cls.process.terminate)
        cls.ports = json.loads(cls.process.stdout.readline())
        cls.base = f"https://localhost:{cls.ports['https']}/bitbucket"
        cls.rest = cls.base + "/rest/api/latest"

    def setUp(self):
        self.noted_before = len(self.admin("GET", "/violations"))

    def tearDown(self):
        self.admin("DELETE", "/faults")
        self.admin("POST", "/requests/clear")

    def admin(self, method, path, body=None):
        """The parsed answer of the admin port."""
        connection = HTTPConnection("127.0.0.1", self.ports["admin"], timeout=20)
        connection.request(method, path, json.dumps(body) if body is not None else None)
        document = json.loads(connection.getresponse().read())
        connection.close()
        return document

    def curl(self, url, *arguments, user_agent="bittern/1.0", seconds=20):
        """An answer fetched with curl, Cloud's through the proxy."""
        proxy = [] if "localhost" in url else ["--proxy", f"http://127.0.0.1:{self.ports['proxy']}", "--suppress-connect-headers"]
        result = self.run_in(
            self.folder, "curl", "--silent", "--show-error", "--include", "--globoff", "--cacert", self.ca, "--user-agent", user_agent,
            "--max-time", str(seconds), *proxy, *arguments, url)
        if result.returncode != 0:
            return Answer(-result.returncode, {}, result.stderr)
        head, _, body = result.stdout.partition("\n\n")
        lines = head.splitlines()
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
        return Answer(int(lines[0].split()[1]), headers, body)

    def ask(self, url, *arguments, token=None, body=None, method=None, **more):
        """A REST request: Bearer with a token, else the API token by Basic."""
        who = ["--header", f"Authorization: Bearer {token}"] if token else ["--user", "ci@acme.example:ATATT1"]
        sent = ["--header", "Content-Type: application/json", "--data", json.dumps(body)] if body is not None else []
        return self.curl(url, *who, *sent, *(["--request", method] if method else []), *arguments, **more)

    def clone(self, url, *configuration):
        """(exit status, standard error) of a clone."""
        target = tempfile.mkdtemp(dir=self.folder)
        options = [part for setting in configuration for part in ("-c", setting)]
        proxy = {} if "localhost" in url else {"https_proxy": f"http://127.0.0.1:{self.ports['proxy']}"}
        result = self.run_in(self.folder, "git", *options, "clone", "--quiet", url, target, GIT_SSL_CAINFO=self.ca, **proxy)
        return result.returncode, result.stderr

    def assert_no_violation(self):
        self.assertEqual(self.admin("GET", "/violations")[self.noted_before:], [])


class CloudRest(Case):
    """https://api.bitbucket.org/2.0."""

    def test_everyday_questions_are_answered_and_break_no_rule(self):
        for path in ("/user", "/user/workspaces", "/repositories/ACME/Shop", "/repositories/acme/shop/refs/branches/feature%2Fx",
                     "/repositories/acme/shop/hooks", "/workspaces/acme/hooks", "/hook_events/repository",
                     "/repositories/acme/shop/refs/branches?q=name%3D%22main%22&sort=-target.date"):
            self.assertEqual(self.ask(API + path).status, 200, path)
        repository = self.ask(API + "/repositories/acme/shop").json
        by_uuid = self.ask(f"{API}/repositories/acme/%7B{repository['uuid'][1:-1]}%7D")
        self.assertEqual(by_uuid.json["full_name"], "acme/shop")
        self.assertEqual(by_uuid.headers["x-accepted-oauth-scopes"], "read:repository:bitbucket")
        self.assert_no_violation()

    def test_lists_are_paged_by_links_that_cannot_be_counted_up(self):
        names, url = [], API + "/repositories/acme?pagelen=10"
        while url:
            page = self.ask(url).json
            names += [repository["slug"] for repository in page["values"]]
            url = page.get("next")
        self.assertEqual(len(set(names)), 26)
        self.assertEqual(self.ask(API + "/repositories/acme?page=2").status, 404)
        self.assertEqual(self.ask(API + "/repositories/acme?pagelen=101").status, 400)

    def test_filters_select_by_name(self):
        query = urlencode({"q": 'name ~ "SITE 1" AND full_name != "acme/site-10"', "pagelen": 100})
        slugs = [repository["slug"] for repository in self.ask(f"{API}/repositories/acme?{query}").json["values"]]
        self.assertEqual(slugs, ["site-01", *[f"site-{n}" for n in range(11, 20)]])
        self.assertEqual(self.ask(API + "/repositories/acme?q=name+like+x").status, 400)

    def test_credentials_open_what_they_should_and_nothing_else(self):
        shop = API + "/repositories/acme/shop"
        self.assertEqual(self.curl(shop).status, 401)
        self.assertEqual(self.curl(shop, "--user", "old:pass").status, 401)
        self.assertEqual(self.curl(shop, "--user", "ci:ATATT1").status, 401)
        self.assertEqual(self.ask(shop, token="ATATT1").status, 401)
        self.assertEqual(self.ask(shop, token="RAT").status, 200)
        self.assertEqual(self.ask(API + "/repositories/acme/secret", token="RAT").status, 404)
        self.assertEqual(self.ask(API + "/user", token="RAT").status, 403)
        self.assertEqual(self.ask(API + "/workspaces/acme/hooks", token="RAT").status, 403)
        lacking = self.ask(shop + "/hooks", token="POOR")
        self.assertEqual((lacking.status, lacking.json["error"]["detail"]), (403, {"granted": ["repository"], "required": ["webhook"]}))
        self.assertEqual(self.ask(API + "/repositories").status, 410)

    def test_a_revoked_credential_is_refused(self):
        self.admin("POST", "/credentials", {"forge": "cloud", "index": 1, "revoked": True})
        self.assertEqual(self.ask(API + "/repositories/acme/shop", token="RAT").status, 401)
        self.admin("POST", "/credentials", {"forge": "cloud", "index": 1, "revoked": False})
        self.assertEqual(self.ask(API + "/repositories/acme/shop", token="RAT").status, 200)

    def test_hooks_live_and_keep_their_secret(self):
        hooks = API + "/repositories/acme/shop/hooks"
        made = self.ask(hooks, body=HOOK)
        self.assertEqual((made.status, made.json["secret_set"], "secret" in made.json), (201, True, False))
        one = f"{hooks}/%7B{made.json['uuid'][1:-1]}%7D"
        changed = self.ask(one, body={key: value for key, value in HOOK.items() if key != "secret"}, method="PUT")
        self.assertEqual((changed.status, changed.json["secret_set"]), (200, True))
        self.assertIn(HOOK["secret"], [hook["secret"] for hook in self.admin("GET", "/hooks")])
        self.assertFalse(self.ask(one, body={**HOOK, "secret": None}, method="PUT").json["secret_set"])
        self.assertEqual(self.ask(one, method="DELETE").status, 204)
        self.assertEqual(self.ask(one).status, 404)
        for wrong in ({"events": []}, {"events": ["repo:pushed"]}, {"url": "https://10.0.0.1/x"}, {"secret": "s" * 129}):
            self.assertEqual(self.ask(hooks, body={**HOOK, **wrong}).status, 400, wrong)
        self.assertEqual(self.ask(hooks, body={**HOOK, "events": ["pullrequest:created"]}).status, 403)

    def test_build_statuses_are_checked_and_kept(self):
        statuses = f"{API}/repositories/acme/shop/commit/{self.commit}/statuses/build"
        status = {"key": "bittern-shop", "state": "INPROGRESS", "url": "https://deploy.example.com/1", "refname": "main"}
        self.assertEqual(self.ask(statuses, body=status).status, 201)
        self.assertEqual(self.ask(statuses, body={**status, "state": "SUCCESSFUL"}).status, 201)
        self.assertEqual(self.ask(statuses + "/bittern-shop").json["state"], "SUCCESSFUL")
        kept = self.admin("GET", "/statuses")[-1]
        self.assertEqual([body["state"] for body in kept["history"]], ["INPROGRESS", "SUCCESSFUL"])
        long = self.ask(statuses, body={**status, "key": "k" * 41})
        self.assertEqual(long.status, 400)
        self.assertIn("Ensure this value has at most 40 characters", long.text)
        self.assertEqual(self.ask(statuses, body={**status, "url": "/relative"}).status, 400)
        self.assertEqual(self.ask(statuses.replace(self.commit, "0" * 40), body=status).status, 404)

    def test_many_requests_at_once_are_answered(self):
        listing = os.path.join(self.folder, "urls")
        with open(listing, "w", encoding="utf-8") as file:
            file.write(f"url={API}/repositories/acme/shop/refs/branches\noutput=/dev/null\n" * 50)
        begun, codes = time.monotonic(), []

        def ask_fifty_times():
            codes.extend(self.run_in(
                self.folder, "curl", "--silent", "--cacert", self.ca, "--proxy", f"http://127.0.0.1:{self.ports['proxy']}", "--user",
                "ci@acme.example:ATATT1", "--write-out", "%{http_code}\n", "--config", listing).stdout.split())

        threads = [threading.Thread(target=ask_fifty_times) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(codes, ["200"] * 200)
        self.assertLess(time.monotonic() - begun, 4)


class CloudSite(Case):
    """git and OAuth at https://bitbucket.org."""

    def token(self, *arguments, **members):
        data = [part for pair in members.items() for part in ("--data-urlencode", "=".join(pair))]
        return self.curl("https://bitbucket.org/site/oauth2/access_token", *(arguments or ("--user", "key:secret")), *data)

    def test_git_clones_with_the_user_of_each_credential(self):
        for user in ("x-bitbucket-api-token-auth:ATATT1", "x-token-auth:RAT"):
            self.assertEqual(self.clone(f"https://{user}@bitbucket.org/acme/shop.git"), (0, ""))
        for user in ("ci%40acme.example:ATATT1", "x-token-auth:ATATT1", "x-bitbucket-api-token-auth:RAT"):
            self.assertNotEqual(self.clone(f"https://{user}@bitbucket.org/acme/shop.git")[0], 0, user)
        self.assertIn("410", self.clone("https://old:pass@bitbucket.org/acme/shop.git")[1])
        self.assertNotEqual(self.clone("https://bitbucket.org/acme/shop.git", "http.extraHeader=Authorization: Bearer RAT")[0], 0)
        self.assertIn("git-cloud", {request["forge"] for request in self.admin("GET", "/requests")})
        self.assertEqual(self.admin("GET", "/foreign"), [])

    def test_git_may_pack_its_questions_and_send_them_in_chunks(self):
        question = os.path.join(self.folder, "question.gz")
        with gzip.open(question, "wb") as file:
            file.write(b"0014command=ls-refs\n00010000")
        answer = self.curl(
            "https://bitbucket.org/acme/shop.git/git-upload-pack", "--user", "x-token-auth:RAT", "--data-binary", "@" + question,
            "--header", "Content-Type: application/x-git-upload-pack-request", "--header", "Content-Encoding: gzip",
            "--header", "Transfer-Encoding: chunked", "--header", "Git-Protocol: version=2")
        self.assertIn(self.commit + " refs/heads/main", answer.text)

    def test_a_push_is_refused(self):
        work = os.path.join(self.folder, "work")
        proxy = f"http://127.0.0.1:{self.ports['proxy']}"
        url = "https://x-token-auth:RAT@bitbucket.org/acme/shop.git"
        result = self.run_in(work, "git", "push", url, "HEAD:refs/heads/new", GIT_SSL_CAINFO=self.ca, https_proxy=proxy)
        self.assertIn("403", result.stderr)

    def test_old_names_lead_to_the_new_one(self):
        self.admin("POST", "/rename", {"forge": "cloud", "from": "acme/site-00", "to": "acme/store"})
        moved = self.ask(API + "/repositories/acme/site-00/refs/branches?sort=name")
        self.assertEqual((moved.status, moved.headers["location"]), (301, API + "/repositories/acme/store/refs/branches?sort=name"))
        self.assertEqual(self.ask(API + "/repositories/acme/site-00").headers["location"], API + "/repositories/acme/store")
        self.assertEqual(self.clone("https://x-bitbucket-api-token-auth:ATATT1@bitbucket.org/acme/site-00.git")[0], 0)

    def test_only_bitbucket_is_reached(self):
        proxy = f"http://127.0.0.1:{self.ports['proxy']}"
        for url in ("https://evil.example/", "http://bitbucket.org/", "https://bitbucket.org:8443/"):
            self.run_in(self.folder, "curl", "--silent", "--proxy", proxy, url)
        tried = ["CONNECT evil.example:443", "GET http://bitbucket.org/", "CONNECT bitbucket.org:8443"]
        self.assertEqual(self.admin("GET", "/foreign"), tried)

    def test_client_credentials_give_no_refresh_token_and_expire(self):
        self.admin("POST", "/oauth", {"expires_in": 3600})
        document = self.token(grant_type="client_credentials").json
        self.assertEqual((document["expires_in"], document["token_type"], "refresh_token" in document), (3600, "bearer", False))
        self.assertEqual(self.ask(API + "/user", token=document["access_token"]).status, 200)
        self.assertEqual(self.clone(f"https://x-token-auth:{document['access_token']}@bitbucket.org/acme/shop.git")[0], 0)
        self.admin("POST", "/oauth", {"expires_in": 1})
        document = self.token(grant_type="client_credentials").json
        for _ in range(100):
            answer = self.ask(API + "/user", token=document["access_token"])
            if answer.status == 401:
                break
            time.sleep(0.1)
        self.assertIn("expired", answer.text)
        self.admin("POST", "/oauth", {"expires_in": 7200})
        in_the_body = self.token("--data", "client_id=key", "--data", "client_secret=secret", grant_type="client_credentials")
        self.assertEqual(in_the_body.status, 400)

    def test_refresh_tokens_rotate(self):
        page = self.curl("https://bitbucket.org/site/oauth2/authorize?client_id=key&response_type=code&state=xyz")
        back = parse_qs(urlsplit(page.headers["location"]).query)
        self.assertEqual((page.status, back["state"]), (302, ["xyz"]))
        code = back["code"][0]
        first = self.token(grant_type="authorization_code", code=code).json
        self.assertEqual(self.token(grant_type="authorization_code", code=code).json["error"], "invalid_grant")
        second = self.token(grant_type="refresh_token", refresh_token=first["refresh_token"]).json
        again = self.token(grant_type="refresh_token", refresh_token=first["refresh_token"])
        self.assertEqual((again.status, again.json["error"]), (400, "invalid_grant"))
        self.assertEqual(self.ask(API + "/user", token=second["access_token"]).status, 200)
        alive = {token["access_token"]: token["refresh_alive"] for token in self.admin("GET", "/tokens")}
        self.assertEqual((alive[first["access_token"]], alive[second["access_token"]]), (False, True))

    def test_a_user_may_say_no(self):
        self.admin("POST", "/oauth", {"deny": True})
        page = self.curl("https://bitbucket.org/site/oauth2/authorize?client_id=key&response_type=code")
        self.admin("POST", "/oauth", {"deny": False})
        self.assertEqual(page.headers["location"], CALLBACK + "?error=access_denied")


class DataCenter(Case):
    """https://localhost:PORT/bitbucket."""

    def server(self, path, token="ADMIN", **more):
        """A REST request."""
        return self.ask(self.rest + path, token=token, **more)

    def test_everyday_questions_are_answered_and_break_no_rule(self):
        self.assertEqual(self.curl(self.rest + "/application-properties").json["version"], "9.4.1")
        for path in ("/projects/SHOP/repos?limit=5", "/projects/shop/repos/Shop", "/projects/~ann/repos/toy",
                     "/projects/SHOP/repos/shop/default-branch", "/projects/SHOP/webhooks", "/projects/SHOP/repos/shop/webhooks"):
            self.assertEqual(self.server(path).status, 200, path)
        page = self.server("/projects/SHOP/repos/shop/branches?limit=2&orderBy=ALPHABETICAL").json
        self.assertEqual((page["isLastPage"], page["nextPageStart"], page["size"]), (False, 2, 2))
        named = self.server("/projects/SHOP/repos/shop/branches?filterText=MAIN&limit=5000").json
        self.assertEqual((named["limit"], named["values"][0]["latestCommit"]), (1000, self.commit))
        self.assert_no_violation()

    def test_bearer_alone_opens_it(self):
        url = self.rest + "/projects/SHOP/repos/shop"
        self.assertEqual(self.curl(url).status, 401)
        self.assertEqual(self.curl(url, "--user", "ci:ADMIN").status, 401)
        self.assertEqual(self.ask(url, token="wrong").status, 401)
        self.assertEqual(self.ask(url, token="READ").status, 200)
        self.assertEqual(self.server("/projects/SHOP/repos/shop/webhooks", token="READ").status, 401)
        self.assertEqual(self.server("/projects/SHOP/repos", token="READ").status, 401)
        self.assertEqual(self.server("/projects/SHOP/repos/none").json["errors"][0]["message"], "Repository SHOP/none does not exist.")

    def test_hooks_live_and_a_put_without_a_secret_takes_it_away(self):
        hooks = "/projects/SHOP/repos/shop/webhooks"
        made = self.server(hooks, body=SERVER_HOOK)
        self.assertEqual((made.status, made.json["configuration"]), (201, {"createdBy": "bitbucket"}))
        one = f"{hooks}/{made.json['id']}"
        self.assertEqual(self.admin("GET", "/hooks")[0]["secret"], SERVER_HOOK["configuration"]["secret"])
        changed = self.server(one, body={**SERVER_HOOK, "configuration": {}}, method="PUT")
        self.assertEqual((changed.status, self.admin("GET", "/hooks")[0]["secret"]), (200, None))
        self.assertEqual(self.server(one + "/latest").status, 204)
        self.assertEqual(self.server(one, method="DELETE").status, 204)
        self.assertEqual(self.server(hooks, body={**SERVER_HOOK, "configuration": {"secret": ""}}).status, 400)
        self.assertEqual(self.server(hooks, body={**SERVER_HOOK, "events": ["repo:push"]}).status, 400)

    def test_the_test_of_a_hook_sends_an_unsigned_ping(self):
        seen = []

        class Receiver(BaseHTTPRequestHandler):
            def do_POST(self):
                seen.append((dict(self.headers.items()), self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_):
                pass

        receiver = HTTPServer(("127.0.0.1", 0), Receiver)
        threading.Thread(target=receiver.handle_request, daemon=True).start()
        url = urlencode({"url": f"http://127.0.0.1:{receiver.server_port}/hooks/acme", "sslVerificationRequired": "true"})
        answer = self.server(f"/projects/SHOP/repos/shop/webhooks/test?{url}", method="POST").json
        receiver.server_close()
        headers, body = seen[0]
        self.assertEqual((headers["X-Event-Key"], body, answer["response"]["statusCode"]), ("diagnostics:ping", b'{"test": true}', 200))
        self.assertNotIn("X-Hub-Signature", headers)

    def test_builds_and_deployments_are_checked_and_kept(self):
        commit = f"/projects/SHOP/repos/shop/commits/{self.commit}"
        build = {"key": "bittern-shop", "state": "SUCCESSFUL", "url": "https://deploy.example.com/1", "ref": "refs/heads/main"}
        self.assertEqual(self.server(commit + "/builds", token="READ", body=build).status, 204)
        for wrong in ({"ref": "main"}, {"url": "https://e.example/" + "x" * 450}, {"state": "STOPPED"}, {"key": ""}):
            self.assertEqual(self.server(commit + "/builds", body={**build, **wrong}).status, 400, wrong)
        environment = {"displayName": "Production", "key": "production", "type": "PRODUCTION"}
        deployment = {
            "deploymentSequenceNumber": 1, "description": "d", "displayName": "n", "environment": environment, "key": "k",
            "state": "IN_PROGRESS", "url": "https://deploy.example.com/1"}
        self.assertEqual(self.server(commit + "/deployments", token="READ", body=deployment).status, 200)
        self.assertEqual(self.admin("GET", "/deployments")[0]["current"]["state"], "IN_PROGRESS")

    def test_git_clones_with_bearer_alone_and_follows_a_rename(self):
        header = "http.extraHeader=Authorization: Bearer READ"
        self.assertEqual(self.clone(self.base + "/scm/shop/shop.git", header), (0, ""))
        self.assertEqual(self.clone(self.base + "/scm/~ann/toy.git", header.replace("READ", "ADMIN")), (0, ""))
        self.assertNotEqual(self.clone(self.base.replace("//", "//ci:READ@") + "/scm/SHOP/shop.git")[0], 0)
        self.admin("POST", "/rename", {"forge": "datacenter", "from": "~ann/toy", "to": "~ann/game"})
        moved = self.server("/projects/~ann/repos/toy/default-branch")
        self.assertEqual(moved.headers["location"], self.rest + "/projects/~ann/repos/game/default-branch")
        self.assertEqual(self.clone(self.base + "/scm/~ann/toy.git", header.replace("READ", "ADMIN"))[0], 0)
        self.admin("POST", "/rename", {"forge": "datacenter", "from": "~ann/game", "to": "~ann/toy"})

    def test_oauth_proves_its_verifier(self):
        verifier = "v" * 43
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        asked = {"client_id": "key", "redirect_uri": CALLBACK, "response_type": "code", "scope": "REPO_ADMIN", "state": "s"}
        authorize = f"{self.base}/rest/oauth2/latest/authorize?"
        proof = {"code_challenge": challenge, "code_challenge_method": "S256"}
        self.assertEqual(self.curl(authorize + urlencode(asked)).status, 400)
        members = {"grant_type": "authorization_code", "client_id": "key", "client_secret": "secret", "redirect_uri": CALLBACK}
        wrong = self.grant({**members, "code": self.code(authorize + urlencode({**asked, **proof})), "code_verifier": "w" * 43})
        self.assertEqual((wrong.status, wrong.json["error"]), (400, "invalid_grant"))
        first = self.grant({**members, "code": self.code(authorize + urlencode({**asked, **proof})), "code_verifier": verifier}).json
        self.assertEqual(self.server("/projects/SHOP/repos", token=first["access_token"]).status, 200)
        refresh = {**members, "grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
        self.assertEqual(self.grant(refresh).status, 200)
        self.assertEqual(self.grant(refresh).json["error"], "invalid_grant")

    def grant(self, members):
        """An answer of the token endpoint."""
        return self.curl(self.base + "/rest/oauth2/latest/token", "--data", urlencode(members))

    def code(self, url):
        """A code from the authorization page."""
        return parse_qs(urlsplit(self.curl(url).headers["location"]).query)["code"][0]


class Faults(Case):
    """What the tests can make go wrong."""

    def fault(self, action, **more):
        return self.admin("POST", "/faults", {"path": "/refs/branches", "times": 1, "action": action, **more})

    def branches(self, **more):
        return self.ask(API + "/repositories/acme/shop/refs/branches", **more)

    def test_a_status_is_answered_as_often_as_asked(self):
        self.fault({"status": 429, "headers": {"Retry-After": "1"}, "body": "Rate limit"}, times=2)
        self.assertEqual([self.branches().status for _ in range(3)], [429, 429, 200])
        self.assertEqual([request["status"] for request in self.admin("GET", "/requests")], [429, 429, 200])

    def test_a_hanging_request_is_let_go_when_the_faults_are_cleared(self):
        self.fault({"hang": True})
        answers = []
        waiting = threading.Thread(target=lambda: answers.append(self.branches().status))
        waiting.start()
        for _ in range(500):
            if self.admin("GET", "/requests"):
                break
            time.sleep(0.02)
        self.admin("DELETE", "/faults")
        waiting.join()
        self.assertEqual(answers, [200])
        self.fault({"hang": True})
        self.assertEqual(self.branches(seconds=1).status, -28)

    def test_answers_can_be_cut_dropped_sent_elsewhere_or_blown_up(self):
        self.fault({"broken_json": True})
        with self.assertRaises(ValueError):
            self.branches().json
        self.fault({"drop": True})
        self.assertLess(self.branches().status, 0)
        self.fault({"redirect": "https://elsewhere.example/x"})
        self.assertEqual(self.branches().headers["location"], "https://elsewhere.example/x")
        self.fault({"huge": 3_000_000})
        self.assertGreater(len(self.branches().text), 3_000_000)

    def test_pages_can_go_on_for_ever_or_lead_away(self):
        self.fault({"endless_pages": True}, times=None)
        url, seen = API + "/repositories/acme/shop/refs/branches", set()
        for _ in range(5):
            url = self.ask(url).json["next"]
            seen.add(url)
        self.assertEqual(len(seen), 5)
        self.admin("DELETE", "/faults")
        self.fault({"foreign_next": "https://evil.example/2.0/x"})
        self.assertEqual(self.branches().json["next"], "https://evil.example/2.0/x")
        self.admin("POST", "/faults", {"forge": "datacenter", "action": {"endless_pages": True}})
        page = self.ask(self.rest + "/projects/SHOP/repos?start=40", token="ADMIN").json
        self.assertEqual((page["isLastPage"], page["nextPageStart"]), (False, 41))

    def test_limits_can_be_near(self):
        self.assertNotIn("x-ratelimit-limit", self.branches().headers)
        self.admin("POST", "/near-limit", {"on": True})
        self.assertEqual(self.branches().headers["x-ratelimit-nearlimit"], "true")
        self.admin("POST", "/near-limit", {"on": False})

    def test_a_senseless_fault_is_refused(self):
        self.assertIn("error", self.fault({"explode": True}))


class Rules(Case):
    """What is noted as a violation."""

    def noted(self):
        return " | ".join(self.admin("GET", "/violations"))

    def test_headers_are_judged(self):
        self.ask(API + "/user", user_agent="curl/8")
        self.ask(API + "/user", "--header", "Accept: text/html")
        self.ask(API + "/repositories/acme/shop/hooks", "--data", "{}")
        for words in ("User-Agent is 'curl/8'", "Accept is 'text/html'", "Content-Type is 'application/x-www-form-urlencoded'"):
            self.assertIn(words, self.noted())

    def test_the_published_descriptions_are_enforced(self):
        if OPENAPI is None:
            self.skipTest("no --openapi")
        self.ask(API + "/repositories/acme/shop/refs/branches/feature/x")
        self.ask(API + "/repositories/acme?colour=red&role=king")
        self.ask(API + "/repositories/acme/shop/hooks", body={**HOOK, "evnets": [], "events": ["repo:pushed"]})
        builds = f"{self.rest}/projects/SHOP/repos/shop/commits/{self.commit}/builds"
        self.ask(builds, token="ADMIN", body={"key": "k", "state": "DONE", "ref": "main"})
        for words in ("has no GET /repositories/acme/shop/refs/branches/feature/x", "query parameter colour is not described",
                      "query parameter role is 'king'", "body.evnets is not described", "body.events[0] is 'repo:pushed'",
                      "body.url is required", "body.state is 'DONE'", "body.ref does not match"):
            self.assertIn(words, self.noted())

    def test_scopes_and_events_are_those_of_the_published_description(self):
        if OPENAPI is None:
            self.skipTest("no --openapi")
        with open(os.path.join(OPENAPI, "bitbucket-cloud.json"), encoding="utf-8") as file:
            published = json.load(file)
        for route in cloud.ROUTES:
            operation = published["paths"][route.template][route.method.lower()]
            granular = [scope for entry in operation.get("x-atlassian-oauth2-scopes", []) for scope in entry["scopes"]]
            self.assertEqual((list(route.granular), list(route.classic)), (granular, operation["security"][0]["oauth2"]), route.template)
        hook = published["components"]["schemas"]["webhook_subscription"]["allOf"][1]["properties"]
        self.assertEqual(cloud.EVENTS, set(hook["events"]["items"]["enum"]))

    def test_every_route_is_published(self):
        if OPENAPI is None:
            self.skipTest("no --openapi")
        with open(os.path.join(OPENAPI, "bitbucket-datacenter.json"), encoding="utf-8") as file:
            published = json.load(file)["paths"]
        for route in datacenter.ROUTES:
            self.assertIn(route.method.lower(), published[route.template], route.template)


class Ending(Case):
    """The process."""

    def test_it_ends_at_sigterm(self):
        self.process.send_signal(signal.SIGTERM)
        self.assertEqual(self.process.wait(5), 0)

    def tearDown(self):
        """Nothing is left to be cleared."""


if __name__ == "__main__":
    if "--openapi" in sys.argv:
        place = sys.argv.index("--openapi")
        OPENAPI = os.path.abspath(sys.argv[place + 1])
        del sys.argv[place:place + 2]
    unittest.main()

"""The bare repositories behind both forges: questions to git, and git's own HTTP server."""

import os
import re
import subprocess
import tempfile
from dataclasses import dataclass

from wire import Refusal, Reply

QUESTION_SECONDS = 20
CHUNK = 64 * 1024
MOST_CGI_HEADERS = 64
SERVICES = {("GET", "/info/refs"), ("POST", "/git-upload-pack")}


@dataclass
class Branch:
    """A branch and the commit it stands at."""

    name: str
    commit: str
    date: str
    author: str
    subject: str


def environment(**more):
    """An environment in which no configuration of the host or its user counts. The repositories may belong to anybody."""
    return {
        "PATH": os.environ.get("PATH", "/usr/bin:/bin"), "HOME": "/nonexistent", "LANG": "C.UTF-8",
        "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*", **more}


def ask(path, *arguments):
    """What git prints in a repository, or None where it fails."""
    result = subprocess.run(
        ["git", "--git-dir", path, *arguments], env=environment(), stdin=subprocess.DEVNULL, capture_output=True, timeout=QUESTION_SECONDS)
    return result.stdout.decode("utf-8", "replace") if result.returncode == 0 else None


def full_commit(path, commit):
    """The full name of a commit that exists, or None. Seven or more hexadecimal digits are enough, as on the real forges."""
    if not re.fullmatch(r"[0-9a-f]{7,64}", commit):
        return None
    answer = ask(path, "rev-parse", "--verify", "--quiet", "--end-of-options", commit + "^{commit}")
    return answer.strip() if answer else None


def branches(path):
    """All branches by name."""
    fields = ("refname:lstrip=2", "objectname", "committerdate:iso-strict", "authorname", "subject")
    layout = "%00".join(f"%({field})" for field in fields)
    lines = (ask(path, "for-each-ref", "--format", layout, "refs/heads") or "").split("\n")
    return [Branch(*line.split("\0")) for line in lines if line]


def default_branch(path):
    """The name HEAD stands for; the branch itself may not exist yet."""
    return (ask(path, "symbolic-ref", "--short", "HEAD") or "main").strip()


def serve(path, suffix, request):
    """git's answer to a fetch. `suffix` is what follows the repository in the address. Nothing can be pushed."""
    asked = request.parameter("service") if suffix == "/info/refs" else "git-upload-pack"
    if (request.method, suffix) not in SERVICES or asked != "git-upload-pack":
        raise Refusal(Reply(403, b"This server is read only and speaks the smart protocol alone.\n", {"Content-Type": "text/plain"}))
    process = start_backend(path, suffix, request)
    headers = read_cgi_headers(process.stdout)
    status = int(headers.pop("Status", "200")[:3])
    return Reply(status, Output(process), headers)


def start_backend(path, suffix, request):
    """Starts git http-backend on a request. The body waits in a file: a pipe could fill up while git is writing already."""
    variables = environment(
        GIT_PROJECT_ROOT=path, PATH_INFO=suffix, GIT_HTTP_EXPORT_ALL="1", REQUEST_METHOD=request.method,
        QUERY_STRING=request.target.partition("?")[2], CONTENT_TYPE=request.header("content-type"),
        CONTENT_LENGTH=str(len(request.body)), HTTP_CONTENT_ENCODING=request.header("content-encoding"),
        GIT_PROTOCOL=request.header("git-protocol"))
    with tempfile.TemporaryFile() as body:
        body.write(request.body)
        body.seek(0)
        return subprocess.Popen(["git", "http-backend"], env=variables, stdin=body, stdout=subprocess.PIPE)


def read_cgi_headers(stream):
    """The head of a CGI answer."""
    headers = {}
    for _ in range(MOST_CGI_HEADERS):
        name, _, value = stream.readline(8192).decode("latin-1").partition(":")
        if not name.strip():
            break
        headers[name.strip()] = value.strip()
    return headers


class Output:
    """What is left of the answer, in chunks. git ends when this is closed, whether or not anybody began to read."""

    def __init__(self, process):
        self._process = process

    def __iter__(self):
        return iter(lambda: self._process.stdout.read1(CHUNK), b"")

    def close(self):
        """Ends git and gives back its pipe."""
        self._process.kill()
        self._process.stdout.close()
        self._process.wait()

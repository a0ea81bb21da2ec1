#!/usr/bin/env python3
"""A Bitbucket for tests: Cloud behind a CONNECT proxy, Data Center on a TLS port, both strict. See README.md.

Prints one line of JSON with its three ports once it listens, and ends at SIGTERM.
"""

import argparse
import json
import os
import signal
import threading

import cloud
import datacenter
from admin import Admin
from front import Front
from published import Description
from state import State
from wire import Listener, ProxyConnection, tls_context


class ProxyFront:
    """What the proxy leads to: hosts by name. Everything else asked of it is noted."""

    def __init__(self, state, hosts):
        self._state = state
        self.hosts = hosts

    def note_foreign(self, what):
        """Remembers an attempt to go elsewhere."""
        with self._state.lock:
            self._state.foreign.append(what)


def options():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenario", required=True, help="JSON file with the repositories and credentials of both forges")
    parser.add_argument("--certificate", required=True, help="PEM file for localhost, api.bitbucket.org and bitbucket.org")
    parser.add_argument("--key", required=True, help="PEM file with its key")
    parser.add_argument("--openapi", help="directory with bitbucket-cloud.json and bitbucket-datacenter.json")
    return parser.parse_args()


def description(directory, forge):
    """The published description of a forge, where there is one."""
    return Description(forge, os.path.join(directory, f"bitbucket-{forge}.json")) if directory else None


def listeners(state, tls, directory):
    """The three ports by name."""
    hosts = {
        "api.bitbucket.org": Front(state, cloud.Api(state), description(directory, "cloud")),
        "bitbucket.org": Front(state, cloud.Site(state), None),
    }
    server = Front(state, datacenter.Server(state), description(directory, "datacenter"))
    return {
        "proxy": Listener(ProxyFront(state, hosts), tls=tls, connection=ProxyConnection),
        "https": Listener(server, "https://localhost:{port}", tls=tls),
        "admin": Listener(Admin(state), "http://127.0.0.1:{port}"),
    }


def main():
    """Serves until it is told to end."""
    asked = options()
    with open(asked.scenario, encoding="utf-8") as file:
        state = State(json.load(file))
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    ports = listeners(state, tls_context(asked.certificate, asked.key), asked.openapi)
    for listener in ports.values():
        listener.start()
    print(json.dumps({name: listener.port for name, listener in ports.items()}), flush=True)
    ended.wait()


if __name__ == "__main__":
    main()

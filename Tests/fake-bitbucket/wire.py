"""HTTP as bytes: requests, replies, and the listeners that carry them.

Knows nothing of Bitbucket. A *front* is any object with `answer(request, peer) -> Reply or None`; None closes the connection unanswered.
"""

import json
import select
import socketserver
import ssl
import sys
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qsl, urlsplit

LARGEST_BODY = 16 * 1024 * 1024
LONGEST_CHUNK_LINE = 1024
MOST_CONNECTIONS = 512
IDLE_SECONDS = 60


@dataclass
class Request:
    """One request as it came over the wire. `origin` is the scheme and authority it was meant for."""

    origin: str
    method: str
    target: str
    headers: dict
    body: bytes
    forge: str = ""
    identity: object = None

    @property
    def path(self):
        """The path as sent, still percent-encoded."""
        return self.target.partition("?")[0]

    @property
    def query(self):
        """The pairs of the query, decoded, in the order they came."""
        return parse_qsl(self.target.partition("?")[2], keep_blank_values=True)

    def parameter(self, name, default=None):
        """The first value of a query parameter."""
        return next((value for key, value in self.query if key == name), default)

    def header(self, name, default=""):
        """A header's value; names are compared without case."""
        return self.headers.get(name.lower(), default)

    @property
    def media_type(self):
        """The content type without its parameters."""
        return self.header("content-type").partition(";")[0].strip().lower()

    def document(self):
        """The body as JSON, or None where it is empty or no JSON."""
        try:
            return json.loads(self.body) if self.body else None
        except ValueError:
            return None


@dataclass
class Reply:
    """What is sent back. A body that is no bytes is an iterable of chunks with `close`, sent without telling its length."""

    status: int
    body: object = b""
    headers: dict = field(default_factory=dict)

    def document(self):
        """The body as JSON, or None."""
        if not isinstance(self.body, bytes) or "json" not in self.headers.get("Content-Type", ""):
            return None
        return json.loads(self.body)


class Refusal(Exception):
    """Ends the handling of a request with a reply, from any depth."""

    def __init__(self, reply):
        super().__init__(reply.status)
        self.reply = reply


def json_reply(status, document, headers=None):
    """A reply with a JSON body."""
    return Reply(status, json.dumps(document).encode(), {"Content-Type": "application/json; charset=utf-8", **(headers or {})})


class Peer:
    """The other end of a connection, for answers that wait."""

    def __init__(self, connection):
        self._poll = select.poll()
        self._poll.register(connection.fileno(), select.POLLRDHUP | select.POLLHUP | select.POLLERR)

    def wait_until_gone(self, milliseconds):
        """Whether the peer has closed its side, after at most that time."""
        return bool(self._poll.poll(milliseconds))


class Connection(BaseHTTPRequestHandler):
    """Serves the requests of one connection, one after the other, from `front`."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = IDLE_SECONDS

    def __init__(self, connection, address, server, front, origin):
        self.front = front
        self.origin = origin
        super().__init__(connection, address, server)

    def serve(self):
        """Reads the rest of a request whose head was read, and answers it."""
        body = self._read_body()
        if body is None:
            self.close_connection = True
            self._send(Reply(413))
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        reply = self.front.answer(Request(self.origin, self.command, self.path, headers, body), Peer(self.connection))
        if reply is None:
            self.close_connection = True
        else:
            self._send(reply)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = serve

    def log_message(self, format, *arguments):
        """Standard error is left to real trouble; what was asked is on the admin port."""

    def handle(self):
        """A peer that leaves in the middle is an everyday thing."""
        try:
            super().handle()
        except (ConnectionError, TimeoutError, ssl.SSLError):
            self.close_connection = True

    def _read_body(self):
        """The whole body, or None where it is larger than LARGEST_BODY or badly framed."""
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            return self._read_chunks()
        length = self.headers.get("Content-Length", "0")
        if not length.isdecimal() or int(length) > LARGEST_BODY:
            return None
        return self._read_whole(int(length))

    def _read_whole(self, length):
        """A peer that is killed in the middle has asked nothing."""
        part = self.rfile.read(length)
        if len(part) < length:
            raise ConnectionAbortedError("the peer left in the middle of a body")
        return part

    def _read_chunks(self):
        whole = bytearray()
        while len(whole) <= LARGEST_BODY:
            size = self.rfile.readline(LONGEST_CHUNK_LINE).partition(b";")[0].strip()
            try:
                length = int(size, 16)
            except ValueError:
                return None
            if length > LARGEST_BODY:
                return None
            if length == 0:
                self._skip_trailers()
                return bytes(whole)
            whole += self._read_whole(length)
            self.rfile.readline(LONGEST_CHUNK_LINE)
        return None

    def _skip_trailers(self):
        for _ in range(100):
            if self.rfile.readline(LONGEST_CHUNK_LINE).strip() == b"":
                return

    def _send(self, reply):
        self.send_response_only(reply.status)
        self.send_header("Date", self.date_time_string())
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        if isinstance(reply.body, bytes):
            self._send_whole(reply)
        else:
            self._send_chunks(reply.body)

    def _send_whole(self, reply):
        if reply.status != 204:
            self.send_header("Content-Length", str(len(reply.body)))
        if self.command != "HEAD":
            # One write for head and body: two small ones would wait for the peer's delayed acknowledgement.
            self._headers_buffer.append(b"\r\n" + reply.body)
            self.flush_headers()
        else:
            self.end_headers()

    def _send_chunks(self, chunks):
        try:
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for chunk in chunks:
                if chunk:
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
            self.wfile.write(b"0\r\n\r\n")
        finally:
            chunks.close()


class ProxyConnection(Connection):
    """A CONNECT proxy that is itself the server behind every tunnel it opens."""

    def do_CONNECT(self):
        """Opens a tunnel to one of the known hosts and serves that host in it."""
        host, _, port = self.path.rpartition(":")
        if port != "443" or host not in self.front.hosts:
            self._refuse(f"CONNECT {self.path}")
            return
        self._send_tunnel_opened()
        self.close_connection = True
        with self.server.tls.wrap_socket(self.connection, server_side=True) as tunnel:
            Connection(tunnel, self.client_address, self.server, self.front.hosts[host], f"https://{host}")

    def serve(self):
        """A plain request through the proxy would go somewhere in the clear: refused."""
        self._refuse(f"{self.command} {self.path}")

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = serve

    def _send_tunnel_opened(self):
        self.send_response_only(200, "Connection established")
        self.end_headers()

    def _refuse(self, what):
        self.front.note_foreign(what)
        self.close_connection = True
        self._send(Reply(403, b"This proxy leads to Bitbucket alone.\n", {"Content-Type": "text/plain"}))


class Listener(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """A free port of 127.0.0.1 with one thread per connection. `origin` is what it calls itself, with `{port}` in it."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, front, origin="", tls=None, connection=Connection):
        super().__init__(("127.0.0.1", 0), None)
        self.front = front
        self.tls = tls
        self.port = self.server_address[1]
        self.origin = origin.format(port=self.port)
        self._connection = connection

    def start(self):
        """Serves in the background until the process ends."""
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def verify_request(self, request, client_address):
        """More connections than this are a client gone wild; they are closed unanswered."""
        return threading.active_count() <= MOST_CONNECTIONS

    def finish_request(self, request, client_address):
        """Runs in the connection's own thread, so that a slow handshake holds up nobody."""
        request.settimeout(IDLE_SECONDS)
        if self.tls is None or self._connection is ProxyConnection:
            self._connection(request, client_address, self, self.front, self.origin)
            return
        with self.tls.wrap_socket(request, server_side=True) as tunnel:
            self._connection(tunnel, client_address, self, self.front, self.origin)

    def handle_error(self, request, client_address):
        """A refused certificate or a lost connection is the client's business; anything else is a fault of this server."""
        if not isinstance(sys.exc_info()[1], (OSError, ssl.SSLError)):
            super().handle_error(request, client_address)


def tls_context(certificate, key):
    """The TLS side of a server that speaks HTTP/1.1 alone."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.set_alpn_protocols(["http/1.1"])
    return context


def form(request):
    """The members of a form-encoded body, or None where the body is none. A member given twice counts once, the first."""
    if request.media_type != "application/x-www-form-urlencoded":
        return None
    return dict(reversed(parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True)))


def is_web_address(text):
    """Whether a text is an absolute http or https URL with a host."""
    try:
        parts = urlsplit(text) if isinstance(text, str) else None
        return parts is not None and parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        return False

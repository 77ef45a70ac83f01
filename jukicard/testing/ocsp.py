"""An OCSP responder over HTTP (RFC 6960, appendix A) on the loopback interface, for tests.

with OcspServer(lambda request: ca.ocsp_response(usage, request, now)) as server:
    ...  # openssl ocsp -url http://127.0.0.1:PORT
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from types import TracebackType
from urllib.parse import unquote

from jukicard.issuer.jpki.ocsp import MAX_REQUEST_BYTES

TIMEOUT_SECONDS = 5.0
"""How long a client may take over its request."""

Respond = Callable[[bytes], bytes]
"""From an OCSPRequest to an OCSPResponse, DER; called in the server's thread."""


class OcspServer:
    """Answers POST and GET, one request after the other, in a thread of its own, on a port that is free."""

    def __init__(self, respond: Respond) -> None:
        self._server = HTTPServer(("127.0.0.1", 0), _handler(respond))
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> OcspServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join(TIMEOUT_SECONDS)
        self._server.server_close()


def _handler(respond: Respond) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = TIMEOUT_SECONDS

        def do_POST(self) -> None:
            length = self.headers.get("Content-Length", "")
            if not length.isdecimal() or int(length) > MAX_REQUEST_BYTES:
                self.send_error(413)
                return
            self._answer(self.rfile.read(int(length)))

        def do_GET(self) -> None:
            try:
                self._answer(base64.b64decode(unquote(self.path[1:]), validate=True))
            except binascii.Error:
                self.send_error(400)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Say nothing: a test's output is its own."""

        def _answer(self, request: bytes) -> None:
            response = respond(request)
            self.send_response(200)
            self.send_header("Content-Type", "application/ocsp-response")
            self.send_header("Content-Length", str(len(response)))
            self.end_headers()
            self.wfile.write(response)

    return Handler

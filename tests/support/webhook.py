"""Somebody to be told."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Webhook:
    """A server that keeps what it was sent: (path, Authorization header, body)."""

    def __init__(self) -> None:
        self.status, self.got = 200, list[tuple[str, str, dict[str, Any]]]()
        webhook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                webhook.got.append((self.path, self.headers.get("Authorization", ""), json.loads(body)))
                self.send_response(webhook.status)
                self.end_headers()

            def log_message(self, format: str, *arguments: Any) -> None:
                del format, arguments

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/hooks/secret"

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()

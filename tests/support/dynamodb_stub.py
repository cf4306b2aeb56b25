"""A server that answers DynamoDB's reads as a test says: from items, throttled, with keys left unprocessed, or not at all."""

from __future__ import annotations

import base64
import json
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

import boto3

from include.backends.aws.access import SessionAccess
from include.backends.dynamodb.item import ENTITY, VIEW, Place, item_of, place_of
from tests.support.s3_server import CREDENTIALS

Json = dict[str, Any]
THROTTLED = {
    "__type": "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException",
    "message": "The level of configured provisioned throughput for the table was exceeded.",
}
MISSING = {
    "__type": "com.amazonaws.dynamodb.v20120810#ResourceNotFoundException",
    "message": "Requested resource not found",
}


class Stub:
    def __init__(self) -> None:
        self.items: dict[Place, Json] = {}
        self.turns: deque[str] = deque()
        """What the next requests get: `throttle`, `missing`, `hang`, or how many of their keys are left unprocessed."""
        self.asked: list[int] = []
        """Of each request: how many keys."""
        self.strong: set[bool] = set()
        self.go_on = Event()
        """Ends what hangs."""

    def put(self, key: str, event: int, payload: bytes, until: int | None = None) -> None:
        item = item_of(key, event, event, payload, until)
        item["row"] = {"B": base64.b64encode(item["row"]["B"]).decode()}
        self.items[place_of(key)] = item

    def answer(self, body: Json) -> tuple[int, Json]:
        ((table, wanted),) = body["RequestItems"].items()
        keys = wanted["Keys"]
        self.asked.append(len(keys))
        self.strong.add(wanted["ConsistentRead"])
        turn = self.turns.popleft() if self.turns else "0"
        if turn == "hang":
            self.go_on.wait(30)
            turn = "0"
        if turn in ("throttle", "missing"):
            return 400, THROTTLED if turn == "throttle" else MISSING
        done, left = keys[int(turn) :], keys[: int(turn)]
        places = [(key[VIEW]["S"], key[ENTITY]["S"]) for key in done]
        found = [self.items[place] for place in places if place in self.items]
        return 200, {"Responses": {table: found}, "UnprocessedKeys": {table: {**wanted, "Keys": left}} if left else {}}


@contextmanager
def stub() -> Iterator[tuple[Stub, SessionAccess]]:
    """The stub, and the way to it."""
    made = Stub()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            status, answer = made.answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.0")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *given: object) -> None:
            del given

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield made, SessionAccess(_SESSION, lambda service: f"http://127.0.0.1:{server.server_address[1]}")
    finally:
        made.go_on.set()
        server.shutdown()
        thread.join()
        server.server_close()


_SESSION = boto3.Session(**CREDENTIALS)  # its loader keeps the service's model: half a second once

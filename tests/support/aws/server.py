"""All of AWS at one address: moto's server, and the fakes before it. `python -m tests.support.aws.server HOST PORT` serves it.

In a test's own process a fake is an object (`aws.training.interrupt(name)`); of a server that is a process of its own the same
methods are asked for over HTTP (`Remote(address).training("interrupt", name=name)`).
"""

from __future__ import annotations

import io
import json
import signal
import sys
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from threading import Thread
from typing import Any

from tests.support.aws.endpoints import Endpoints
from tests.support.aws.part import Asked, AwsError, Clock, Faults, Part, Raw
from tests.support.aws.processing import ProcessingJobs
from tests.support.aws.training import TrainingJobs
from tests.support.aws.warehouse import AthenaQueries, RedshiftStatements, SparkJobs
from tests.support.s3_server import make_conditions_atomic

CONTROL = "/_fake/"  # what a test asks of a server in another process
HOST = "127.0.0.1"


class Aws:
    """The server's parts. `address` is known once it listens."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.faults = Faults(self.clock)
        self.athena = AthenaQueries(self.clock, self.faults)
        self.redshift = RedshiftStatements(self.clock, self.faults)
        self.spark = SparkJobs(self.clock, self.faults)
        self.training = TrainingJobs(self.clock, self.faults)
        self.processing = ProcessingJobs(self.clock, self.faults)
        self.endpoints = Endpoints(self.clock, self.faults)
        self._address = ""

    @property
    def parts(self) -> list[Part]:
        """Each is asked in this order."""
        return [each for each in vars(self).values() if isinstance(each, Part)]

    @property
    def address(self) -> str:
        return self._address

    @address.setter
    def address(self, address: str) -> None:
        self._address = address
        for part in self.parts:
            part.address = address

    def environ(self) -> dict[str, str]:
        """The variables by which a process finds this AWS, with a login of it."""
        extra = {"endpoint_url": self.address, "region_name": "us-east-1"}
        connection = {"conn_type": "aws", "login": "testing", "password": "testing", "extra": extra}
        return {"AIRFLOW_CONN_AWS_DEFAULT": json.dumps(connection)}

    def client(self, service: str) -> Any:
        """A client of boto3, for what a test itself does and sees."""
        import boto3

        return boto3.client(
            service,
            endpoint_url=self.address,
            region_name="us-east-1",
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
        )

    def close(self) -> None:
        for part in self.parts:
            part.close()


class Remote:
    """A server in another process: `remote.training("interrupt", name="x")` calls that method of that part."""

    def __init__(self, address: str) -> None:
        self._address = address

    def __getattr__(self, part: str) -> Callable[..., Any]:
        return partial(self._call, part)

    def _call(self, part: str, method: str, **arguments: Any) -> Any:
        import httpx

        answer = httpx.post(f"{self._address}{CONTROL}{part}/{method}", json=arguments, trust_env=False, timeout=60)
        return answer.raise_for_status().json()


class _App:
    """The WSGI application before moto's."""

    def __init__(self, aws: Aws, moto: Callable[..., Iterable[bytes]]) -> None:
        self._aws, self._moto = aws, moto

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        target = environ.get("HTTP_X_AMZ_TARGET", "")
        if path.startswith(CONTROL):
            return self._control(path, _body(environ), start_response)
        if target.startswith("Logs_"):
            for part in self._aws.parts:
                part.ship_logs()
        if not target and not any(part.takes(path) for part in self._aws.parts):
            return self._moto(environ, start_response)
        asked = Asked(target, environ["REQUEST_METHOD"], path, _region(environ), _body(environ), _headers(environ))
        try:
            for part in self._aws.parts:
                answer = part.answer(asked)
                if isinstance(answer, Raw):
                    start_response(f"{answer.status} {HTTPStatus(answer.status).phrase}", [*answer.headers.items()])
                    return [answer.body]
                if answer is not None:
                    return _json(start_response, HTTPStatus.OK, answer)
        except AwsError as error:
            return _json(start_response, error.status, {"__type": error.code, "message": error.message, "Message": error.message})
        return self._moto(environ, start_response)

    def _control(self, path: str, body: bytes, start_response: Callable[..., Any]) -> Iterable[bytes]:
        part, _, method = path.removeprefix(CONTROL).partition("/")
        value = getattr(getattr(self._aws, part), method)(**json.loads(body or b"{}"))
        return _json(start_response, HTTPStatus.OK, value)


def _body(environ: dict[str, Any]) -> bytes:
    """The request's body, which stays to be read for moto."""
    data: bytes = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(data)
    return data


def _headers(environ: dict[str, Any]) -> dict[str, str]:
    named = {name[5:].replace("_", "-").lower(): value for name, value in environ.items() if name.startswith("HTTP_")}
    return {**named, "content-type": environ.get("CONTENT_TYPE", "")}


def _region(environ: dict[str, Any]) -> str:
    """Of the signature: `Credential=id/20260101/us-east-1/sagemaker/aws4_request`."""
    scope = environ.get("HTTP_AUTHORIZATION", "").partition("Credential=")[2].split(",")[0].split("/")
    return scope[2] if len(scope) > 2 else "us-east-1"


def _json(start_response: Callable[..., Any], status: int, value: Any) -> Iterable[bytes]:
    data = json.dumps(value).encode()
    headers = [
        ("Content-Type", "application/x-amz-json-1.1"),
        ("Content-Length", str(len(data))),
        ("x-amzn-RequestId", str(uuid.uuid4())),
    ]
    start_response(f"{int(status)} {HTTPStatus(status).phrase}", headers)
    return [data]


def _listening(aws: Aws, host: str, port: int) -> Any:
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
    from werkzeug.serving import make_server

    class Quiet(MotoRequestHandler):  # type: ignore[misc]
        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            """A line for every request would drown a test's own."""

    make_conditions_atomic()
    app = _App(aws, DomainDispatcherApplication(create_backend_app))
    server = make_server(host, port, app, threaded=True, request_handler=Quiet)
    aws.address = f"http://{host}:{server.server_port}"
    return server


@contextmanager
def aws_server() -> Iterator[Aws]:
    """AWS on a free port of this machine, in this process."""
    aws = Aws()
    server = _listening(aws, HOST, 0)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield aws
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        aws.close()


def main(host: str, port: str) -> None:
    """The same server as a process of its own, until it is ended."""
    aws = Aws()
    server = _listening(aws, host, int(port))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        server.serve_forever()
    finally:
        aws.close()


if __name__ == "__main__":
    main(*sys.argv[1:])

"""`serve`: what a container of a SageMaker endpoint runs. The gateway, of one version of one model, on port 8080.

SageMaker starts `docker run IMAGE serve`, asks `GET /ping` until it is answered with 200, and hands on `POST /invocations`
(include/serving/http/invocations.py). The container reads the storage root and the online store with the role that SageMaker
gives it, and knows no control store: which version it serves, and what that was made from, is a file of the root that its model
in SageMaker names (SLIPSTREAM_ENDPOINT_VERSION). It keeps a control store of its own, of that version and a route that never
changes, so that everything else is the gateway as it is elsewhere: the same validation, errors, features, log and agent. Whom
SageMaker sends what, the endpoint's weights say, and no container knows.
"""

from __future__ import annotations

import argparse
import json
import signal
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import uvicorn

from include.core import error_reports, logs
from include.core.environment import CONTROL_URL, GATEWAY_WORKERS
from include.core.environment_aws import ENDPOINT_VERSION
from include.core.errors import NotReadyError, PermanentError, SpecError, TransientError
from include.core.private_files import set_mask
from include.core.settings import Settings
from include.gateway.agent_keeper import AgentKeeper
from include.gateway.build import Shared, build
from include.gateway.host import DRAIN_SECONDS, by_workers
from include.prediction_log.shipping import Limits
from include.routing.route import Route, begin_route, route_in
from include.services.services import Services
from include.serving.endpoint_record import RECORDS
from include.serving.http.access import Access
from include.serving.http.asgi import Headers
from include.serving.http.bounds import Bounds
from include.serving.http.invocations import PORT, Invocations
from include.serving.models.route_switch import SLOTS
from include.serving.supervisor import listen
from include.versions.store import keep_served_in

TARGET = "sagemaker"


@dataclass(frozen=True)
class Served:
    """What this container serves."""

    model: str
    version: int


class LetIn(Access):
    """SageMaker has asked IAM who the caller is, and nobody else reaches the port."""

    def __init__(self) -> None:
        super().__init__(loopback=True)

    def check(self, headers: Headers, right: str, model: str | None = None) -> None:
        """Nobody is refused."""


def take_in(services: Services) -> Served:
    """Put the version that the container serves, and its route, into the control store of its own. Once more changes nothing.

    Raises SpecError for an environment that names none, or a control store of others; what the storage raises.
    """
    settings = services.settings
    path = ENDPOINT_VERSION.read(settings.environ)
    if not path or CONTROL_URL.is_set(settings.environ):
        what = f"{CONTROL_URL.name} is set" if path else f"{ENDPOINT_VERSION.name} is not"
        raise SpecError(
            f"{what}: a container of an endpoint serves one version, and has a control store of its own.",
            safe="nothing was started.",
            hint="`serve` is for SageMaker, which is told both; elsewhere run `python -m include.gateway`.",
        )
    record = RECORDS.read(json.loads(services.storage.read(path)), path)
    served = Served(str(record["model"]), int(record["version"]))
    with services.control.transaction() as connection:
        keep_served_in(connection, served.model, served.version, record)
        if not route_in(connection, served.model)[0]:
            # Its generation is the version: so says the log of an answer for which no model gave a score, whose it is.
            begin_route(connection, served.model, Route(champion=served.version), served.version)
    return served


def app_of(services: Services, served: Served, shared: Shared | None = None, slot: int = 0) -> Invocations:
    """The ASGI app of a worker."""
    return Invocations(build(services, LetIn(), shared, slot, target=TARGET), served.model, served.version)


def main(argv: Sequence[str] | None = None) -> int:
    options = _options(argv)
    logs.configure("gateway")
    set_mask()
    settings = Settings.from_env()
    try:
        bounds = Bounds.from_env(settings.environ)
        Limits.from_env(settings.environ)
        services = Services(settings)
        served = take_in(services)
        services.spec(served.model)
    except (PermanentError, NotReadyError, TransientError, FileNotFoundError) as error:
        sys.exit(str(error))  # SageMaker starts it again, and shows the log
    services.control.engine.dispose()  # a connection must not go through a fork
    error_reports.start("gateway")
    keeper = AgentKeeper()
    keeper.start(alone=True)
    try:
        return _answer(settings, served, options, bounds)
    finally:
        keeper.stop()


def _answer(settings: Settings, served: Served, options: argparse.Namespace, bounds: Bounds) -> int:
    """Until SIGTERM. Returns the exit status."""
    shared = Shared(options.workers)
    listening = listen(options.host, options.port)

    def serve_as(slot: int) -> int:
        return _serve(app_of(Services(settings), served, shared, slot), listening, bounds)

    if options.workers == 1:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        return serve_as(0)

    return by_workers(serve_as, options.workers, listening, shared)


def _serve(app: Invocations, listening: socket.socket, bounds: Bounds) -> int:
    """SageMaker's router keeps its connections and bounds what it hands on: uvicorn's own protocol does."""
    config = uvicorn.Config(
        app, loop="uvloop", http="httptools", ws="none", lifespan="on", backlog=2048,
        access_log=False, log_config=None, server_header=False, proxy_headers=False, timeout_graceful_shutdown=DRAIN_SECONDS,
        timeout_keep_alive=bounds.idle_seconds,  # type: ignore[arg-type]  # a float does as well
    )  # fmt: skip
    server = uvicorn.Server(config)
    server.run(sockets=[listening])
    return 0 if server.started else 3


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="serve", description="Serve the version that a SageMaker endpoint's variant names.")
    parser.add_argument("--host", default="0.0.0.0", help="SageMaker reaches the container from outside")
    parser.add_argument("--port", type=int, default=PORT)
    parser.add_argument("--workers", type=int, default=GATEWAY_WORKERS.read())
    options = parser.parse_args(argv)
    if not 1 <= options.workers <= SLOTS:
        parser.error(f"--workers: {options.workers} is not within 1 and {SLOTS}")
    return options


if __name__ == "__main__":
    raise SystemExit(main())

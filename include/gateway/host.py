"""`python -m include.gateway`: the gateway on uvicorn (uvloop, httptools), one worker process or several.

Settings come from the environment (include/core/settings.py). A worker takes connections once its routes are loaded
and warm; SIGTERM stops accepting, lets the requests in flight finish, then the shadow; then
the agent (include/gateway/agent.py) works a last time.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import resource
import signal
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from functools import partial
from urllib.parse import urlsplit

import uvicorn

from include.core import error_reports, logs, tracing
from include.core.connection import from_env
from include.core.environment import GATEWAY_URL, GATEWAY_WORKERS
from include.core.errors import NotReadyError, PermanentError, UnreachableError
from include.core.private_files import set_mask, tighten
from include.core.settings import Settings
from include.gateway.agent_keeper import AgentKeeper
from include.gateway.build import Shared, build, common_tokens
from include.gateway.shadow import COMMAND
from include.prediction_log.shipping import Limits
from include.routing.gateways import Identity
from include.services.services import Services
from include.serving.gateway import Gateway
from include.serving.http import access_record, certificate
from include.serving.http.access import CONNECTION, Access, from_settings
from include.serving.http.access_record import AccessRecord, RecordedApp, RecordedProtocol
from include.serving.http.bounds import LINGER_SECONDS, Bounds
from include.serving.http.certificate import ServerCertificate
from include.serving.http.gateway_protocol import GatewayProtocol
from include.serving.models.route_switch import SLOTS
from include.serving.shadow import STOP_SECONDS
from include.serving.supervisor import Supervisor, listen

DRAIN_SECONDS = 10
_TOLD = threading.Event()  # this process, without workers of its own, was told to end


def serve(app: Gateway, listening: socket.socket, bounds: Bounds, record: AccessRecord | None = None) -> int:
    kind = GatewayProtocol if record is None else RecordedProtocol
    protocol = kind.of(app.predict, app.refuse, app.allow, bounds)
    if record is not None:
        protocol.note = staticmethod(record.note)  # type: ignore[attr-defined]
    own, asgi = app.certificate, app if record is None else RecordedApp(app, record.note)
    config = uvicorn.Config(
        asgi, loop="uvloop", http=protocol, ws="none", lifespan="on", backlog=2048,
        access_log=False, log_config=None, server_header=False, proxy_headers=False, timeout_graceful_shutdown=DRAIN_SECONDS,
        timeout_keep_alive=bounds.idle_seconds,  # type: ignore[arg-type]  # a float does as well
        ssl_context_factory=(lambda *_: own.context) if own is not None else None,
    )  # fmt: skip
    server = uvicorn.Server(config) if own is None else SecureServer(config, bounds)
    server.run(sockets=[listening])
    return 0 if server.started else 3


class SecureServer(uvicorn.Server):
    """uvicorn, but with a bound on how long a handshake may take: until it is done nobody counts the connection."""

    def __init__(self, config: uvicorn.Config, bounds: Bounds) -> None:
        super().__init__(config)
        self._seconds = bounds.head_seconds

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        loop = asyncio.get_running_loop()
        bounded = partial(loop.create_server, ssl_handshake_timeout=self._seconds, ssl_shutdown_timeout=LINGER_SECONDS)
        loop.create_server = bounded  # type: ignore[method-assign]
        await super().startup(sockets)


def main(argv: list[str] | None = None, shadow_command: Sequence[str] = COMMAND) -> int:
    settings = Settings.from_env()
    options = _options(settings, argv)
    try:
        logs.configure("gateway")
        _keep_private(settings)
        tracing.check()
        bounds = Bounds.from_env(settings.environ)
        Limits.from_env(settings.environ)  # the agent's: a person should know now
        common = common_tokens(Services(settings))  # and see that the control store is of this release
        access = from_settings(options.host, settings, from_env(CONNECTION, settings.environ), common)
        own = certificate.from_environment(settings.environ)
        access_record.folder_of(settings.environ)
    except (PermanentError, NotReadyError, UnreachableError) as error:
        sys.exit(str(error))
    error_reports.start("gateway")
    _allow_files(bounds)
    _compare_address(settings, own)
    keeper = AgentKeeper()
    keeper.start(alone=True)  # before there is a socket: the agent would hold the port for as long as it outlives the gateway
    try:
        return _answer(settings, options, access, bounds, Shared(options.workers, shadow_command), own)
    finally:
        keeper.stop()
        if _TOLD.is_set():  # by default a process ends by the signal itself
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGTERM)


def _answer(
    settings: Settings, options: argparse.Namespace, access: Access, bounds: Bounds, shared: Shared, own: ServerCertificate | None
) -> int:
    """Until SIGTERM. Returns the exit status."""
    try:
        listening = listen(options.host, options.port)
    except OSError as error:
        sys.exit(f"The gateway cannot listen on {options.host}:{options.port}: {error.strerror}. It did not start.")
    identity = Identity.of_this_process(settings.home, f"{options.host}:{options.port}")

    def serve_as(slot: int) -> int:
        record = access_record.open_record(settings.environ, access)
        return serve(build(Services(settings), access, shared, slot, identity, own), listening, bounds, record)

    if options.workers == 1:
        # uvicorn sends itself the signal once more when it has drained: that would end the process before its agent.
        signal.signal(signal.SIGTERM, _leave)
        return serve_as(0)

    return by_workers(serve_as, options.workers, listening, shared)


def by_workers(serve_as: Callable[[int], int], workers: int, listening: socket.socket, shared: Shared) -> int:
    """Serve on one socket by so many processes, each as a slot of its own, which end with this one. Returns the exit status."""

    def work(slot: int, parent: int) -> int:
        threading.Thread(target=end_with, args=(parent,), name="parent", daemon=True).start()
        return serve_as(slot)

    with listening:  # nobody waits in its queue while the agent works a last time
        return Supervisor(work, workers, shared.leave, DRAIN_SECONDS + STOP_SECONDS + 5).run()


def _leave(number: int, frame: object) -> None:
    del number, frame
    _TOLD.set()
    sys.exit(0)


def _keep_private(settings: Settings) -> None:
    set_mask()
    for line in tighten(settings.home):
        logging.getLogger(__name__).warning("%s", line)


def _compare_address(settings: Settings, own: ServerCertificate | None) -> None:
    """Plain text behind a proxy that speaks TLS is well; TLS behind an address that says otherwise is a slip."""
    if own is not None and settings.gateway_url.startswith("http:"):
        words = "This gateway speaks TLS, and %s says %s: our own clients will not reach it there. Let it begin with https."
        logging.getLogger(__name__).warning(words, GATEWAY_URL.name, settings.gateway_url)


def _allow_files(bounds: Bounds) -> None:
    """So many sockets as there may be connections, and those that are being closed, beside the files of models and logs."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * bounds.connections + 1000
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def _options(settings: Settings, argv: list[str] | None) -> argparse.Namespace:
    default = urlsplit(settings.gateway_url)
    parser = argparse.ArgumentParser(prog="include.gateway", description="Serve the models that the routes name.")
    parser.add_argument(
        "--host", default=default.hostname or "127.0.0.1", help="address (default: that of SLIPSTREAM_GATEWAY_URL)"
    )
    parser.add_argument("--port", type=int, default=default.port or 8500)
    workers = GATEWAY_WORKERS.read(settings.environ)
    parser.add_argument(
        "--workers", type=int, default=workers, help=f"processes on the one port (default: {GATEWAY_WORKERS.name}, else 1)"
    )
    options = parser.parse_args(argv)
    if not 1 <= options.workers <= SLOTS:
        parser.error(f"--workers: {options.workers} is not within 1 and {SLOTS}")
    return options


def end_with(parent: int) -> None:
    """End this worker when the supervisor is gone, however it went: nobody would replace or stop it."""
    os.read(parent, 1)
    os.kill(os.getpid(), signal.SIGTERM)

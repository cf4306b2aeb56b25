"""`python -m include.gateway`: the gateway on uvicorn (uvloop, httptools), one worker process or several.

Settings come from the environment (include/core/settings.py). A worker takes connections once its routes are loaded
and warm; SIGTERM stops accepting, lets the requests in flight finish, then the shadow; then
the agent (include/gateway/agent.py) works a last time.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import resource
import signal
import socket
import sys
import threading
from collections.abc import Sequence
from urllib.parse import urlsplit

import uvicorn

from include.core.connection import from_env
from include.core.environment import GATEWAY_WORKERS
from include.core.errors import NotReadyError, PermanentError, StorageFullError, UnreachableError
from include.core.private_files import set_mask, tighten
from include.core.settings import Settings
from include.gateway.agent_keeper import AgentKeeper
from include.gateway.build import Shared, build
from include.gateway.shadow import COMMAND
from include.prediction_log.shipping import Limits
from include.services.services import Services
from include.serving.gateway import Gateway
from include.serving.http.access import CONNECTION, Access, from_settings
from include.serving.http.bounds import Bounds
from include.serving.http.gateway_protocol import GatewayProtocol
from include.serving.models.route_switch import SLOTS
from include.serving.shadow import STOP_SECONDS
from include.serving.supervisor import Supervisor, listen

DRAIN_SECONDS = 10
_TOLD = threading.Event()  # this process, without workers of its own, was told to end


def serve(app: Gateway, listening: socket.socket, bounds: Bounds) -> int:
    protocol = GatewayProtocol.of(app.predict, app.refuse, app.allow, bounds)
    config = uvicorn.Config(
        app, loop="uvloop", http=protocol, ws="none", lifespan="on", backlog=2048,
        access_log=False, log_config=None, server_header=False, proxy_headers=False, timeout_graceful_shutdown=DRAIN_SECONDS,
        timeout_keep_alive=bounds.idle_seconds,  # type: ignore[arg-type]  # a float does as well
    )  # fmt: skip
    server = uvicorn.Server(config)
    server.run(sockets=[listening])
    return 0 if server.started else 3


def main(argv: list[str] | None = None, shadow_command: Sequence[str] = COMMAND) -> int:
    settings = Settings.from_env()
    _keep_private(settings)
    options = _options(settings, argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        access = from_settings(options.host, settings, from_env(CONNECTION, settings.environ))
        bounds = Bounds.from_env(settings.environ)
        Limits.from_env(settings.environ)  # the agent's: a person should know now
        _require_schema(settings)
    except (PermanentError, NotReadyError) as error:
        sys.exit(str(error))
    _allow_files(bounds)
    keeper = AgentKeeper()
    keeper.start(alone=True)  # before there is a socket: the agent would hold the port for as long as it outlives the gateway
    try:
        return _answer(settings, options, access, bounds, Shared(options.workers, shadow_command))
    finally:
        keeper.stop()
        if _TOLD.is_set():  # by default a process ends by the signal itself
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGTERM)


def _answer(settings: Settings, options: argparse.Namespace, access: Access, bounds: Bounds, shared: Shared) -> int:
    """Until SIGTERM. Returns the exit status."""
    try:
        listening = listen(options.host, options.port)
    except OSError as error:
        sys.exit(f"The gateway cannot listen on {options.host}:{options.port}: {error.strerror}. It did not start.")
    if options.workers == 1:
        # uvicorn sends itself the signal once more when it has drained: that would end the process before its agent.
        signal.signal(signal.SIGTERM, _leave)
        return serve(build(Services(settings), access, shared), listening, bounds)

    def work(slot: int, parent: int) -> int:
        threading.Thread(target=_end_with, args=(parent,), name="parent", daemon=True).start()
        return serve(build(Services(settings), access, shared, slot), listening, bounds)

    with listening:  # nobody waits in its queue while the agent works a last time
        return Supervisor(work, options.workers, shared.leave, DRAIN_SECONDS + STOP_SECONDS + 5).run()


def _leave(number: int, frame: object) -> None:
    del number, frame
    _TOLD.set()
    sys.exit(0)


def _keep_private(settings: Settings) -> None:
    set_mask()
    for line in tighten(settings.home):
        logging.getLogger(__name__).warning("%s", line)


def _require_schema(settings: Settings) -> None:
    """Raises NotReadyError for a control store of an earlier release, PermanentError for one of a later release or one that
    refuses us. One that is away is waited for by the workers."""
    with contextlib.suppress(UnreachableError, StorageFullError):
        _ = Services(settings).control


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


def _end_with(parent: int) -> None:
    """End this worker when the supervisor is gone, however it went: nobody would replace or stop it."""
    os.read(parent, 1)
    os.kill(os.getpid(), signal.SIGTERM)

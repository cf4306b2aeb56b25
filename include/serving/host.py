"""`python -m include.serving.host`: the gateway on uvicorn (uvloop, httptools), one worker process or several.

Settings come from the environment (include/core/settings.py). A worker takes connections once its routes are loaded
and warm; SIGTERM stops accepting, lets the requests in flight finish, then the shadow.
"""

from __future__ import annotations

import argparse
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

from include.core.adapters import adapter
from include.core.connection import from_env
from include.core.errors import SpecError
from include.core.origin import SETTING, origins_of
from include.core.private_files import set_mask, tighten
from include.core.settings import Settings
from include.serving import shadow
from include.serving.gateway import Gateway, Parts
from include.serving.http.access import CONNECTION, Access, from_settings
from include.serving.http.bounds import Bounds
from include.serving.http.gateway_protocol import GatewayProtocol
from include.serving.http.origin import Writes
from include.serving.models.deployment_manager import DeploymentManager
from include.serving.models.eviction import CacheLimits
from include.serving.models.route_switch import SIZE, SLOTS, Switch
from include.serving.prediction.lost_views import LostViews
from include.serving.prediction.online_features import FeatureReader
from include.serving.stores import Stores
from include.serving.supervisor import Supervisor, listen
from include.serving.telemetry.counters import ARENA, Metrics
from include.serving.telemetry.health import Health, Source, log_source
from include.serving.telemetry.shared_memory import SharedMemory

DRAIN_SECONDS = 10
WORKERS = "SLIPSTREAM_GATEWAY_WORKERS"


class Shared:
    """What the workers of one gateway have in common: the switch, and an arena of metrics for each and its shadow."""

    def __init__(self, workers: int = 1, shadow_command: Sequence[str] = shadow.COMMAND) -> None:
        self.switch, self.metrics, self.shadow_command = SharedMemory(SIZE), SharedMemory(2 * workers * ARENA), shadow_command

    def leave(self, slot: int) -> None:
        Switch(self.switch, slot).leave()


def build(settings: Settings, access: Access, shared: Shared | None = None, slot: int = 0) -> Gateway:
    """The app over the stores that the settings name, as the worker of that slot."""
    shared = shared or Shared()
    stores, switch = Stores(settings), Switch(shared.switch, slot)
    metrics = Metrics(shared.metrics, 2 * slot)
    limits = CacheLimits.from_env(settings.environ)
    manager = DeploymentManager(stores.read_routes, stores.load_spec, stores.load, settings.scratch(), limits, switch)
    reader = FeatureReader(
        lambda: adapter("online.kept")(adapter("online")(settings.online_url), settings.storage()),
        lambda: metrics.circuits.add("store"),
    )
    copies = shadow.Shadow(metrics, shared.metrics, 2 * slot + 1, shared.shadow_command)
    unit, admission = adapter("unit"), GatewayProtocol.admission
    lost = LostViews(
        lambda spec, views, published, closely: adapter("features.lost")(
            reader.opened(), spec, views, published, closely=closely
        ),
        lambda spec: adapter("features.published")(stores.control, spec.name),
        reader,
        metrics,
        lambda: manager.deployments,
    )
    health = Health({**sources(reader, stores, settings), "views": lost.samples})
    parts = Parts(
        manager, reader, access, stores.load_spec, unit, settings.home, switch, metrics, copies, admission, health, lost
    )
    gateway = Gateway(parts)
    gateway.writes = Writes(lambda: stores.control, origins_of(settings.environ.get(SETTING, "")))
    return gateway


def sources(reader: FeatureReader, stores: Stores, settings: Settings) -> dict[str, Source]:
    """What the metrics page reads elsewhere. Imported now: an import would hold up the first scrape's neighbours."""
    features, skew, monitoring = (adapter(f"health.{name}") for name in ("features", "skew", "monitoring"))
    return {
        "features": lambda spec: features(reader.opened(), spec),
        "skew": lambda spec: skew(stores.control, spec),
        "monitoring": lambda spec: monitoring(stores.control, spec),
        "log": log_source(settings.home),
    }


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


def main(argv: list[str] | None = None, shadow_command: Sequence[str] = shadow.COMMAND) -> int:
    settings = Settings.from_env()
    _keep_private(settings)
    options = _options(settings, argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        access = from_settings(options.host, settings, from_env(CONNECTION, settings.environ))
        bounds = Bounds.from_env(settings.environ)
    except SpecError as error:
        sys.exit(str(error))
    _allow_files(bounds)
    shared = Shared(options.workers, shadow_command)
    try:
        listening = listen(options.host, options.port)
    except OSError as error:
        sys.exit(f"The gateway cannot listen on {options.host}:{options.port}: {error.strerror}. It did not start.")
    if options.workers == 1:
        return serve(build(settings, access, shared), listening, bounds)

    def work(slot: int, parent: int) -> int:
        threading.Thread(target=_end_with, args=(parent,), name="parent", daemon=True).start()
        return serve(build(settings, access, shared, slot), listening, bounds)

    return Supervisor(work, options.workers, shared.leave, DRAIN_SECONDS + shadow.STOP_SECONDS + 5).run()


def _keep_private(settings: Settings) -> None:
    set_mask()
    for line in tighten(settings.home):
        logging.getLogger(__name__).warning("%s", line)


def _allow_files(bounds: Bounds) -> None:
    """So many sockets as there may be connections, and those that are being closed, beside the files of models and logs."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * bounds.connections + 1000
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def _options(settings: Settings, argv: list[str] | None) -> argparse.Namespace:
    default = urlsplit(settings.gateway_url)
    parser = argparse.ArgumentParser(prog="include.serving.host", description="Serve the models that the routes name.")
    parser.add_argument(
        "--host", default=default.hostname or "127.0.0.1", help="address (default: that of SLIPSTREAM_GATEWAY_URL)"
    )
    parser.add_argument("--port", type=int, default=default.port or 8500)
    workers = settings.environ.get(WORKERS, "1")
    parser.add_argument("--workers", type=int, default=workers, help=f"processes on the one port (default: {WORKERS}, else 1)")
    options = parser.parse_args(argv)
    if not 1 <= options.workers <= SLOTS:
        parser.error(f"--workers: {options.workers} is not within 1 and {SLOTS}")
    return options


def _end_with(parent: int) -> None:
    """End this worker when the supervisor is gone, however it went: nobody would replace or stop it."""
    os.read(parent, 1)
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    raise SystemExit(main())

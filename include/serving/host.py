"""`python -m include.serving.host`: the gateway on uvicorn (uvloop, httptools), one process.

Settings come from the environment (include/core/settings.py). The socket opens once the first routes are
loaded and warm; SIGTERM stops accepting, lets the requests in flight finish, then the shadow.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from urllib.parse import urlsplit

import uvicorn

from include.core.adapters import adapter
from include.core.catalog import load_spec
from include.core.connection import from_env
from include.core.control import ControlStore
from include.core.ledger import Ledger
from include.core.settings import Settings
from include.core.spec import ModelSpec
from include.serving.access import CONNECTION, Access, open_access
from include.serving.features import FeatureReader
from include.serving.fleet import Fleet
from include.serving.gateway import Gateway, Parts
from include.serving.model import LoadedModel, load_model

DRAIN_SECONDS = 10


def build(settings: Settings, access: Access) -> Gateway:
    """The app over the stores that the settings name."""
    control = ControlStore(settings.control_url)
    control.create_tables()
    ledger = Ledger(settings.storage())
    read_routes, open_online = adapter("routes"), adapter("online")

    def spec_of(model: str) -> ModelSpec:
        return load_spec(model, settings.models)

    def load(spec: ModelSpec, version: int, scratch: Path) -> LoadedModel:
        return load_model(control, ledger, spec, version, scratch)

    fleet = Fleet(lambda: read_routes(control), spec_of, load, settings.scratch())
    reader = FeatureReader(lambda: open_online(settings.online_url))
    return Gateway(Parts(fleet, reader, access, spec_of, adapter("unit"), settings.home))


def main(argv: list[str] | None = None) -> int:
    settings = Settings.from_env()
    default = urlsplit(settings.gateway_url)
    parser = argparse.ArgumentParser(prog="include.serving.host", description="Serve the models that the routes name.")
    parser.add_argument(
        "--host", default=default.hostname or "127.0.0.1", help="address (default: that of SLIPSTREAM_GATEWAY_URL)"
    )
    parser.add_argument("--port", type=int, default=default.port or 8500)
    options = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    connection = from_env(CONNECTION, settings.environ)
    app = build(settings, open_access(options.host, connection.password if connection else ""))
    config = uvicorn.Config(
        app, host=options.host, port=options.port, loop="uvloop", http="httptools", ws="none", lifespan="on",
        access_log=False, log_config=None, server_header=False, timeout_graceful_shutdown=DRAIN_SECONDS,
    )  # fmt: skip
    uvicorn.Server(config).run()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

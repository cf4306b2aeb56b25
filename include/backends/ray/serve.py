"""`python -m include.backends.ray.serve`: the gateway on Ray Serve, for many nodes, GPUs, or a cluster that is there anyway.

The app is the one that uvicorn hosts (include/serving/host.py), raw ASGI under `@serve.ingress`: each replica is a
gateway of its own, with its own deployment manager. Compared with the workers of the uvicorn host, a replica follows a new route
by itself, within a poll: there is no moment at which all change over. docs/gateway.md says when to choose which.

Without RAY_ADDRESS it starts a Ray of its own on this machine: on loopback, with token authentication, gone with
this process. With it, the nodes must have the gateway's environment (SLIPSTREAM_*, AIRFLOW_CONN_SLIPSTREAM_GATEWAY).
"""

from __future__ import annotations

import argparse
import os
import secrets
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from include.core.connection import from_env
from include.core.errors import SpecError
from include.core.settings import Settings
from include.serving.http.access import CONNECTION, Access, from_settings, is_loopback

HA_PROXY = {"RAY_SERVE_ENABLE_HA_PROXY": "1", "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1"}
ONGOING = 1000  # requests in a replica at once: the gateway pushes back by itself before that


def gateway() -> Any:
    """The ASGI app, built in the replica from its environment."""
    from include.serving.host import build

    settings = Settings.from_env()
    host = os.environ["SLIPSTREAM_SERVE_HOST"]
    if os.environ["SLIPSTREAM_SERVE_ALONE"] == "yes" and is_loopback(host):
        _stay_on_loopback()
    return build(settings, _access(settings, host))


def _stay_on_loopback() -> None:
    """For a Ray of this machine alone: on a cluster, the proxies of other nodes must reach the replicas.

    Serve 2.60 binds each replica's gRPC port, which unpickles what it is sent, to every interface; no setting says no.

    This runs before it does. Should the name move in another version, the replica does not start.
    """
    replica: Any = import_module("ray.serve._private.replica")
    bind = replica.add_port_to_grpc_server
    replica.add_port_to_grpc_server = lambda server, address: bind(server, address.replace("[::]", "127.0.0.1"))


def _access(settings: Settings, host: str) -> Access:
    return from_settings(host, settings, from_env(CONNECTION, settings.environ))


def deploy(host: str, port: int, replicas: int, *, alone: bool) -> None:
    """Run the gateway on the connected Ray; returns when it answers. `alone`: that Ray is this process's own."""
    from ray import serve
    from ray.serve.config import HTTPOptions, ProxyLocation
    from ray.serve.schema import LoggingConfig

    quiet = LoggingConfig(enable_access_log=False, log_level="WARNING")
    serve.start(logging_config=quiet, proxy_location=ProxyLocation.HeadOnly, http_options=HTTPOptions(host=host, port=port))
    environment = {"env_vars": {"SLIPSTREAM_SERVE_HOST": host, "SLIPSTREAM_SERVE_ALONE": "yes" if alone else "no"}}
    deployment = serve.deployment(
        name="gateway", num_replicas=replicas, max_ongoing_requests=ONGOING, logging_config=quiet,
        ray_actor_options={"num_cpus": 1, "runtime_env": environment},
    )(serve.ingress(gateway)())  # fmt: skip
    serve.run(deployment.bind(), name="slipstream", route_prefix="/")


@contextmanager
def connected(replicas: int) -> Iterator[bool]:
    """Ray: the cluster that RAY_ADDRESS names, or one of this process's own; gives whether it is the latter."""
    folder = None if "RAY_ADDRESS" in os.environ else Path(tempfile.mkdtemp(prefix="ray-"))  # Ray wants short paths
    if folder is not None:
        _guard(folder)
    import ray  # reads the token's settings when it is imported

    if folder is None:
        ray.init(address="auto", log_to_driver=True)
    else:
        ray.init(
            address="local", num_cpus=replicas + 1, include_dashboard=False, _node_ip_address="127.0.0.1",
            _temp_dir=str(folder / "r"), object_store_memory=100_000_000,  # Ray opens its folder to all; the one above is ours
        )  # fmt: skip
    try:
        yield folder is not None
    finally:
        ray.shutdown()
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)


def _guard(folder: Path) -> None:
    """Whoever reaches Ray's ports runs code as this user: stay on loopback, and ask for a token."""
    token = folder / "token"
    token.touch(mode=0o600)
    token.write_text(secrets.token_hex(32))
    os.environ.update(
        RAY_AUTH_MODE="token", RAY_AUTH_TOKEN_PATH=str(token), RAY_USAGE_STATS_ENABLED="0",
        RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER="0",  # else Ray replaces 127.0.0.1 by the machine's address, and listens on every one
    )  # fmt: skip


def main(argv: list[str] | None = None) -> int:
    settings = Settings.from_env()
    options = _options(settings, argv)
    try:
        _access(settings, options.host)  # refuse strangers without a token here, not in a replica that never starts
    except SpecError as error:
        sys.exit(str(error))
    if options.ha_proxy:
        print("HAProxy listens on every interface of this machine, ports 8404 and 9101, whatever the host is.", file=sys.stderr)
        os.environ.update(HA_PROXY)
    stopped = threading.Event()
    with connected(options.replicas) as alone:
        for sign in (signal.SIGTERM, signal.SIGINT):
            signal.signal(sign, lambda *_: stopped.set())
        deploy(options.host, options.port, options.replicas, alone=alone)
        print(f"the gateway answers on http://{options.host}:{options.port}", flush=True)
        stopped.wait()
        serve: Any = import_module("ray.serve")
        serve.shutdown()
    return 0


def _options(settings: Settings, argv: list[str] | None) -> argparse.Namespace:
    default = urlsplit(settings.gateway_url)
    parser = argparse.ArgumentParser(prog="include.backends.ray.serve", description="Serve the routed models on Ray Serve.")
    parser.add_argument("--host", default=default.hostname or "127.0.0.1")
    parser.add_argument("--port", type=int, default=default.port or 8500)
    parser.add_argument("--replicas", type=int, default=1)
    parser.add_argument(
        "--ha-proxy", action="store_true", help="Serve's HAProxy and throughput settings; HAProxy opens 8404 and 9101 to everyone"
    )
    return parser.parse_args(argv)


if __name__ == "__main__":
    raise SystemExit(main())

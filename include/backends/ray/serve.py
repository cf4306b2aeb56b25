"""Ray Serve as the host of an ASGI app: a Ray of this process's own, or a cluster that is there anyway.

Which app that is, and with which settings, is said by whoever calls it: include/gateway/on_ray.py.
"""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from include.core.environment import RAY_ADDRESS

HA_PROXY = {"RAY_SERVE_ENABLE_HA_PROXY": "1", "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1"}
ONGOING = 1000  # requests in a replica at once: the gateway pushes back by itself before that


def stay_on_loopback() -> None:
    """For a Ray of this machine alone: on a cluster, the proxies of other nodes must reach the replicas.

    Serve 2.60 binds each replica's gRPC port, which unpickles what it is sent, to every interface; no setting says no.

    This runs before it does. Should the name move in another version, the replica does not start.
    """
    replica: Any = import_module("ray.serve._private.replica")
    bind = replica.add_port_to_grpc_server
    replica.add_port_to_grpc_server = lambda server, address: bind(server, address.replace("[::]", "127.0.0.1"))


def deploy(app: Callable[[], Any], host: str, port: int, replicas: int, environ: Mapping[str, str]) -> None:
    """Run the app that `app` makes in each replica, with `environ` added to its own; returns when it answers."""
    from ray import serve
    from ray.serve.config import HTTPOptions, ProxyLocation
    from ray.serve.schema import LoggingConfig

    quiet = LoggingConfig(enable_access_log=False, log_level="WARNING")
    serve.start(logging_config=quiet, proxy_location=ProxyLocation.HeadOnly, http_options=HTTPOptions(host=host, port=port))
    deployment = serve.deployment(
        name="gateway", num_replicas=replicas, max_ongoing_requests=ONGOING, logging_config=quiet,
        ray_actor_options={"num_cpus": 1, "runtime_env": {"env_vars": dict(environ)}},
    )(serve.ingress(app)())  # fmt: skip
    serve.run(deployment.bind(), name="slipstream", route_prefix="/")


@contextmanager
def connected(replicas: int) -> Iterator[bool]:
    """Ray: the cluster that RAY_ADDRESS names, or one of this process's own; gives whether it is the latter."""
    folder = None if RAY_ADDRESS.is_set() else Path(tempfile.mkdtemp(prefix="ray-"))  # Ray wants short paths
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


def shut_down() -> None:
    serve: Any = import_module("ray.serve")
    serve.shutdown()

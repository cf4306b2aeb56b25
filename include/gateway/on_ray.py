"""`python -m include.gateway.on_ray`: the gateway on Ray Serve, for many nodes, GPUs, or a cluster that is there anyway.

The app is the one that uvicorn hosts (include/gateway/host.py), raw ASGI under `@serve.ingress`: each replica is a
gateway of its own, with its own deployments. Compared with the workers of the uvicorn host, a replica follows a new route
by itself, within a poll: there is no moment at which all change over. docs/gateway.md says when to choose which.

Without RAY_ADDRESS it starts a Ray of its own on this machine: on loopback, with token authentication, gone with
this process. With it, the nodes must have the gateway's environment (SLIPSTREAM_*, AIRFLOW_CONN_SLIPSTREAM_GATEWAY).
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from urllib.parse import urlsplit

from include.backends.ray.serve import HA_PROXY, connected, deploy, shut_down, stay_on_loopback
from include.core.connection import from_env
from include.core.environment import GATEWAY_TLS_CERT, SERVE_ALONE, SERVE_HOST
from include.core.errors import NotReadyError, PermanentError, SpecError, UnreachableError
from include.core.settings import Settings
from include.gateway.agent_keeper import AgentKeeper
from include.gateway.build import build, common_tokens
from include.routing.gateways import Identity
from include.services.services import Services
from include.serving.gateway import Gateway
from include.serving.http import access_record
from include.serving.http.access import CONNECTION, Access, from_settings, is_loopback
from include.serving.http.access_record import RecordedApp


def gateway() -> Gateway | RecordedApp:
    """The ASGI app, built in the replica from its environment."""
    settings = Settings.from_env()
    host = SERVE_HOST.read()
    if SERVE_ALONE.read() == "yes" and is_loopback(host):
        stay_on_loopback()
    AgentKeeper().start()  # one of the replicas of a home works; the others wait for its end
    access = _access(settings, host)
    identity = Identity.of_this_process(settings.home, f"Ray Serve at {host}, process {os.getpid()}")
    made = build(Services(settings), access, identity=identity)
    record = access_record.open_record(settings.environ, access)
    return made if record is None else RecordedApp(made, record.note)


def _access(settings: Settings, host: str) -> Access:
    return from_settings(host, settings, from_env(CONNECTION, settings.environ), common_tokens(Services(settings)))


def main(argv: list[str] | None = None) -> int:
    settings = Settings.from_env()
    options = _options(settings, argv)
    try:
        _refuse_tls(settings)
        _access(settings, options.host)  # refuse strangers without a token here, not in a replica that never starts
    except (PermanentError, NotReadyError, UnreachableError) as error:
        sys.exit(str(error))
    if options.ha_proxy:
        print("HAProxy listens on every interface of this machine, ports 8404 and 9101, whatever the host is.", file=sys.stderr)
        os.environ.update(HA_PROXY)
    stopped = threading.Event()
    with connected(options.replicas) as alone:
        for sign in (signal.SIGTERM, signal.SIGINT):
            signal.signal(sign, lambda *_: stopped.set())
        variables = {SERVE_HOST.name: options.host, SERVE_ALONE.name: "yes" if alone else "no"}
        deploy(gateway, options.host, options.port, options.replicas, variables)
        print(f"the gateway answers on http://{options.host}:{options.port}", flush=True)
        stopped.wait()
        shut_down()
    return 0


def _refuse_tls(settings: Settings) -> None:
    """Raises SpecError: it is Serve's proxy that listens, and it would listen in plain text."""
    if certificate := GATEWAY_TLS_CERT.read(settings.environ):
        raise SpecError(
            f"{GATEWAY_TLS_CERT.name} is set, and Ray Serve's proxy is what listens: it speaks plain text.",
            seen=certificate,
            safe="nothing was started.",
            hint="put a proxy that speaks TLS before it, or run `python -m include.gateway`.",
        )


def _options(settings: Settings, argv: list[str] | None) -> argparse.Namespace:
    default = urlsplit(settings.gateway_url)
    parser = argparse.ArgumentParser(prog="include.gateway.on_ray", description="Serve the routed models on Ray Serve.")
    parser.add_argument("--host", default=default.hostname or "127.0.0.1")
    parser.add_argument("--port", type=int, default=default.port or 8500)
    parser.add_argument("--replicas", type=int, default=1)
    parser.add_argument(
        "--ha-proxy", action="store_true", help="Serve's HAProxy and throughput settings; HAProxy opens 8404 and 9101 to everyone"
    )
    return parser.parse_args(argv)


if __name__ == "__main__":
    raise SystemExit(main())

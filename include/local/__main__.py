"""`python -m include.local up|down|status|env`: the platform from the command line."""

from __future__ import annotations

import argparse
import shlex
import sys
import time

from include.core.errors import SlipstreamError
from include.core.private_files import set_mask
from include.local import environment
from include.local.credentials import Credentials
from include.local.down import down
from include.local.platform import Platform
from include.local.status import shown, status
from include.local.up import up


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m include.local", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    starting = commands.add_parser("up", help="start what does not run yet")
    starting.add_argument("only", nargs="*", help="these components, and what they need")
    commands.add_parser("down", help="stop everything")
    commands.add_parser("status", help="what runs, and whether it answers; exits 1 if something does not")
    commands.add_parser("env", help="Airflow's environment as `export` lines, for a shell: holds secrets")
    options = parser.parse_args(argv)
    set_mask()
    try:
        return _run(options, Platform.from_env())
    except SlipstreamError as error:
        print(f"slipstream: {error!s}", file=sys.stderr)
        return 1


def _run(options: argparse.Namespace, platform: Platform) -> int:
    if options.command == "up":
        started = time.monotonic()
        up(platform, options.only)
        print(f"{time.monotonic() - started:.0f} s\n{_account(platform)}")
    elif options.command == "down":
        down(platform)
    elif options.command == "status":
        lines = status(platform)
        print(shown(platform, lines))
        return int(not lines or any(line.problem for line in lines))
    else:
        _print_environment(platform)
    return 0


def _account(platform: Platform) -> str:
    return f"""
Airflow   {platform.url("airflow")}   users admin, op, viewer
MLflow    {platform.url("mlflow")}   user admin
Ray       {platform.url("ray")}   asks for the token
gateway   {platform.url("gateway")}
Passwords and tokens: {platform.home}/secrets/ (one file each). Logs: {platform.logs}/. Stop: make down."""


def _print_environment(platform: Platform) -> None:
    values = environment.airflow(platform, Credentials.load(platform.home), inherited={})
    for name, value in sorted(values.items()):
        print(f"export {name}={shlex.quote(value)}")


if __name__ == "__main__":
    raise SystemExit(main())

"""Every route of the console over 100 models and a year of windows, in process, behind Airflow's own login.

    python -m benchmarks.console [--models 100] [--weeks 52] [--home FOLDER] [--only PART] [--before]

`first`: the first call of a server that has loaded its specs ahead (plugins/slipstream_ahead.py), with nothing read from a store;
`again`: the median of the next ones. `bytes`: of the answer. With `--home` the folder is filled once, and read again by later
runs. Goal: no call takes 300 ms or more.

The fleet's first call is measured in a server of its own as well that has loaded no spec: who comes in the seconds before. With
`--before` that alone is.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.console.home import Size, environ, make_home
from benchmarks.table import Table

if TYPE_CHECKING:
    from fastapi.testclient import TestClient

GOAL_MS = 300.0
CALLS = 7


def open_client(home: Path) -> TestClient:
    """Airflow's API server with the plugin in it, as its clients see it; an operator's."""
    os.environ.update(environ(home))
    os.environ.update({
        "AIRFLOW_HOME": str(home / "airflow"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(Path("plugins").absolute()),
        "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "false",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
        "AIRFLOW__API_AUTH__JWT_SECRET": "0" * 128,
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
    })  # fmt: skip
    sys.path.insert(0, str(home))
    from airflow.api_fastapi.app import create_app
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
    from airflow.utils.db import initdb
    from fastapi.testclient import TestClient

    if not (home / "airflow.db").exists():
        initdb()
    app = create_app(apps="core")
    token = app.state.auth_manager.generate_jwt(SimpleAuthManagerUser(username="op", role="op"))
    return TestClient(app, headers={"Authorization": f"Bearer {token}"}, base_url="http://testserver/slipstream")


def routes_of(size: Size) -> dict[str, str]:
    """What each page asks for, by what it is."""
    model, past = size.names[size.models // 2], size.first + timedelta(days=4 * size.weeks)
    return {
        "fleet": "/api/fleet",
        "approvals": "/api/approvals",
        "model": f"/api/models/{model}",
        "model: windows": f"/api/models/{model}/windows",
        "model: decisions": f"/api/models/{model}/decisions",
        "model: outlook": f"/api/models/{model}/outlook",
        "model: live rollout": f"/api/models/{size.names[0]}/live",
        "model: two versions compared": f"/api/models/{model}/compare?before=1&after=2",
        "model: lineage as text": f"/api/models/{model}/trace",
        "features": "/api/features",
        "features that are looked for": "/api/features?find=f_2_7&offset=40",
        "quality": "/api/quality",
        "quality of a model": f"/api/quality/{model}",
        "quality of a model, a page of the past": f"/api/quality/{model}?last={past}&count=100",
        "rows in quarantine": f"/api/quality/{model}/quarantine/{size.first + timedelta(days=17 * 3)}",
        "lineage": f"/api/lineage/{model}",
        "lineage: days": f"/api/lineage/{model}/versions/{max(1, size.weeks // 4 - 1)}/days?owner={model}",
        "audit": "/api/audit",
        "audit of a model": f"/api/audit?subject={model}&action=rollout",
        "audit: a text": "/api/audit?text=the%20inputs&actor=policy",
        "audit: a text that is nowhere": "/api/audit?text=nothing-holds-this",
        "audit: the newest seal": "/api/audit/chain",
        "costs": "/api/costs",
        "costs of a model": f"/api/costs/{model}",
    }


def measure(client: TestClient, table: Table, name: str, path: str, most: float | None = GOAL_MS) -> None:
    seconds, worked = list[float](), list[float]()
    for _ in range(1 + CALLS):
        began, processor = time.perf_counter(), time.process_time()
        answer = client.get(path)
        seconds.append(1000 * (time.perf_counter() - began))
        worked.append(1000 * (time.process_time() - processor))
        assert answer.status_code == 200, (path, answer.status_code, answer.text[:500])
    table.row(f"{name}: first", seconds[0], "ms", most=most)
    table.row(f"{name}: again, of {len(answer.content):,} bytes", statistics.median(seconds[1:]), "ms", most=most)
    table.say(f"the processor's time: {worked[0]:.0f} ms, then {statistics.median(worked[1:]):.0f} ms")


def warm(client: TestClient, *, ahead: bool) -> None:
    """Import what an API server has imported after its first page. `ahead`: and what it loads by itself, seconds after its start;
    without, nothing is loaded that a page has not asked for."""
    client.get("/api/models")
    if ahead:
        from plugins.slipstream_ahead import AHEAD

        client.get("/")  # whose document begins it
        assert AHEAD.wait(600)
    from plugins.slipstream_services import services

    services.cache_clear()


def measure_before(home: Path, options: argparse.Namespace) -> None:
    """In a process of its own."""
    words = [f"--{name}={getattr(options, name)}" for name in ("models", "weeks")]
    subprocess.run([sys.executable, "-m", "benchmarks.console", *words, f"--home={home}", "--before"], check=False)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.console")
    parser.add_argument("--models", type=int, default=Size.models)
    parser.add_argument("--weeks", type=int, default=Size.weeks)
    parser.add_argument("--home", type=Path, help="fill it once, and keep it")
    parser.add_argument("--only", default="", help="routes whose name holds this")
    parser.add_argument("--before", action="store_true", help="the fleet's first call of a server that has loaded no spec, alone")
    options = parser.parse_args(argv)
    size, table = Size(options.models, options.weeks), Table()
    with tempfile.TemporaryDirectory(prefix="console-") as scratch:
        home = options.home or Path(scratch) / "home"
        if not home.exists():
            began = time.perf_counter()
            make_home(home, size)
            print(f"a home of {size.models} models and {size.weeks} weeks: {time.perf_counter() - began:.0f} s to write")
        if not options.before and options.only in "fleet":
            measure_before(home, options)
        client = open_client(home)
        warm(client, ahead=not options.before)
        table.head(f"{size.models} models, {size.weeks} weeks{', no spec loaded' if options.before else ''}")
        for name, path in ({"fleet": "/api/fleet"} if options.before else routes_of(size)).items():
            if options.only in name:
                measure(client, table, name, path, most=None if options.before else GOAL_MS)
    return 1 if table.missed else 0


if __name__ == "__main__":
    sys.exit(main())

"""No unit test starts a server unless its fixtures or its marker say so: `make test-unit` leaves those to `make test`."""

from __future__ import annotations

import subprocess
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from tests.support.effort import LIVES

SERVERS = {
    "postgres", "pg_ctl", "initdb", "redis-server", "ray", "mlflow", "supervisord", "chromedriver",
    "include.gateway", "include.local", "tests.support.airflow_server",
}  # fmt: skip
HERE = Path(__file__).parent
LEFT_OUT = (LIVES, "slow", "thorough")
_start = subprocess.Popen.__init__
_unmarked: list[str] = []  # the test that runs now, if make test-unit runs it too


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    ours = item.path.is_relative_to(HERE)  # a process of pytest runs the tests of other folders, too
    _unmarked[:] = [item.nodeid] if ours and not any(item.get_closest_marker(name) for name in LEFT_OUT) else []
    try:
        return (yield)
    finally:
        _unmarked.clear()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown() -> None:
    """Fixtures of other tests may end with this one, and stop their servers."""
    _unmarked.clear()


def _look_and_start(self: Any, args: Any, *more: Any, **options: Any) -> None:
    words = [args] if isinstance(args, str | bytes | Path) else list(args)
    servers = SERVERS & {Path(word).name for word in words if isinstance(word, str | Path)}
    assert not (servers and _unmarked), f"{_unmarked} starts {sorted(servers)}: give it the marker `{LIVES}`"
    _start(self, args, *more, **options)


subprocess.Popen.__init__ = _look_and_start  # type: ignore[method-assign]

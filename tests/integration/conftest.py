"""What several modules here stand on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.scheduling import scope_of
from tests.support.shared_airflow import SharedAirflow

_AIRFLOW = SharedAirflow()


@pytest.fixture(scope="session")
def shared_airflow() -> Iterator[SharedAirflow]:
    """Of all modules of its scope in tests/scheduling.py; they take it as a fixture of their own, with their DAG file."""
    yield _AIRFLOW
    _AIRFLOW.close()


@pytest.hookimpl(trylast=True)  # once the modules' fixtures are done with it
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """An Airflow that nobody uses any more would go on to take a tenth of a core to the end of the session."""
    if nextitem is None or scope_of(nextitem.nodeid) != scope_of(item.nodeid):
        _AIRFLOW.close()

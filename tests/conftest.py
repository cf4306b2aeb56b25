"""For every test, also under a bare `pytest`: no library phones home, and Airflow's home is none of the user's."""

from __future__ import annotations

import atexit
import gc
import logging
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Generator
from pathlib import Path
from types import ModuleType
from typing import Any

import hypothesis
import pytest

from tests.scheduling import ByServer
from tests.support.airflow_template import TEMPLATE
from tests.support.effort import LIVES, THOROUGH, is_lived
from tests.support.warm import PLAIN, QUIET, THREADS
from tests.support.workers import remote
from tests.support.workers.beds import Bed, plant

for _name, _value in {**QUIET, **THREADS, **PLAIN}.items():  # before a library that computes is imported
    os.environ.setdefault(_name, _value)

if "AIRFLOW_HOME" not in os.environ:  # read when airflow is first imported, so it must be set before any test module is
    os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="slipstream-airflow-")
    atexit.register(shutil.rmtree, os.environ["AIRFLOW_HOME"], ignore_errors=True)
os.environ.setdefault("AIRFLOW__CORE__LOAD_EXAMPLES", "false")
if TEMPLATE not in os.environ:  # of the controller: its workers have the same
    os.environ[TEMPLATE] = tempfile.mkdtemp(prefix="slipstream-template-")
    atexit.register(shutil.rmtree, os.environ[TEMPLATE], ignore_errors=True)
    atexit.register(Path(os.environ[TEMPLATE]).with_suffix(".lock").unlink, missing_ok=True)


# The same cases in every run: what fails then is what a change broke. To look for new ones: --hypothesis-profile=explore
hypothesis.settings.register_profile("suite", derandomize=True)
hypothesis.settings.register_profile("explore", derandomize=False)
hypothesis.settings.load_profile("suite")


@pytest.fixture(autouse=True)
def _loggers_speak() -> None:
    """A library that configures logging in a test's process (alembic's fileConfig does) silences all loggers that there are."""
    logging.disable(logging.NOTSET)
    for name, logger in logging.root.manager.loggerDict.items():
        ours = name.partition(".")[0] in ("include", "operators", "plugins") or name.startswith("slipstream")
        if ours and isinstance(logger, logging.Logger):
            logger.disabled = False


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is imported and collected stays: to look for garbage in it takes a quarter of the time, and more in later looks."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Of tests that share an id pytest-xdist runs one, and says nothing of the others: refused.

    Of a thorough test's cases the first one is run, and a test of the whole not at all, unless all are asked for.
    """
    shared = [name for name, count in Counter(item.nodeid for item in items).items() if count > 1]
    if shared:
        raise pytest.UsageError(f"Tests share an id, so only one of each would run: {', '.join(shared)}.")
    for item in items:
        parameters = item.callspec.params if hasattr(item, "callspec") else {}
        if is_lived(getattr(item, "fixturenames", ()), parameters):
            item.add_marker(LIVES)
    if not THOROUGH:
        _sample(config, items)


def _sample(config: pytest.Config, items: list[pytest.Item]) -> None:
    seen: set[str] = set()
    left_out: list[pytest.Item] = []
    for item in items:
        function = item.nodeid.partition("[")[0]
        more = item.get_closest_marker("whole") or (item.get_closest_marker("thorough") and function in seen)
        if more and not _is_named(config, item):
            left_out.append(item)
        seen.add(function)
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in set(left_out)]


def _is_named(config: pytest.Config, item: pytest.Item) -> bool:
    """Whether the test was asked for by its own id."""
    return any("::" in argument and item.nodeid.startswith(argument) for argument in config.args)


_BED = pytest.StashKey[Bed | None]()


def pytest_xdist_setupnodes(config: pytest.Config, specs: list[Any]) -> None:
    config.stash[_BED] = plant(config, specs)


def pytest_xdist_getremotemodule() -> ModuleType:
    return remote


def pytest_unconfigure(config: pytest.Config) -> None:
    bed = config.stash.get(_BED, None)
    if bed is not None:
        bed.close()


def pytest_xdist_make_scheduler(config: Any, log: Any) -> ByServer:
    return ByServer(config, log)

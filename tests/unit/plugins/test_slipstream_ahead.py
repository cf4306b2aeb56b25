"""What the first page would wait for is loaded before it, once, and whatever becomes of that stops nobody."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import pytest

from include.core.errors import SpecError
from plugins import slipstream_ahead as module
from plugins import slipstream_plugin as plugin
from plugins.slipstream_ahead import Ahead

SOON = 30.0


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The specs that were loaded, of three models and a set; one of them cannot be."""
    names: list[str] = []

    def owner(name: str) -> object:
        names.append(name)
        if name == "broken":
            raise SpecError("half a file")
        return object()

    held = SimpleNamespace(feature_set_names=lambda: ["weather"], model_names=lambda: ["broken", "eta", "fraud"], owner=owner)
    monkeypatch.setattr("plugins.slipstream_services.services", lambda: held)
    monkeypatch.setattr(module, "PAUSE", 0)
    return names


def test_every_spec_is_loaded_once_however_often_it_is_begun(loaded: list[str]) -> None:
    ahead = Ahead()
    ahead.begin(3600.0)  # as the server starts: later
    ahead.begin()  # a page is opened: now
    ahead.begin()
    assert ahead.wait(SOON)
    assert loaded == ["weather", "broken", "eta", "fraud"]


def test_a_thread_that_fails_or_hangs_keeps_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails() -> None:
        raise RuntimeError("no such store")

    monkeypatch.setattr(module, "load", fails)
    failing = Ahead()
    failing.begin()
    assert failing.wait(SOON)
    stop = threading.Event()
    monkeypatch.setattr(module, "load", lambda: stop.wait(SOON) and None)
    hanging = Ahead()
    hanging.begin()
    (thread,) = [each for each in threading.enumerate() if each.name == "slipstream-ahead"]
    assert thread.daemon  # the server's end does not wait for it
    assert not hanging.wait(0)
    stop.set()
    assert hanging.wait(SOON)


def test_airflow_builds_it_as_its_api_server_starts_and_no_request_goes_through_it(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[float] = []
    monkeypatch.setattr(module, "AHEAD", SimpleNamespace(begin=begun.append))
    (given,) = plugin.SlipstreamPlugin.fastapi_root_middlewares
    app: Any = object()
    assert given["middleware"](app) is app
    assert begun == [module.AFTER]

"""A model that stays on its server is registered: its metadata checked, some rows scored, a record of it kept and told of."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from include.core.control import versions
from include.core.errors import DataError, UnreachableError
from include.governance.card import render
from include.handover.register import Registered, register
from include.model_contract.remote import REMOTE
from include.services.services import Services
from tests.support.error_message import assert_says
from tests.support.oip_stub import TOKEN, Stub

MODEL, ADDRESS = "parcel", "oip://triton/late/versions/3"
Take = Callable[..., Registered]


@pytest.fixture
def stub() -> Iterator[Stub]:
    with Stub() as running:
        yield running


@pytest.fixture
def services(tmp_path: Path, stub: Stub) -> Services:
    environ = {
        **os.environ,
        **stub.variable,
        "SLIPSTREAM_HOME": str(tmp_path),
        "SLIPSTREAM_MODELS": "tests.support.unmanaged",
        "SLIPSTREAM_REGISTRY": "folder",
    }
    opened = Services.from_env(environ)
    opened.control.create_tables()
    return opened


@pytest.fixture
def take(services: Services) -> Take:
    def registered(address: str = ADDRESS, **said: Any) -> Registered:
        return register(MODEL, address, services=services, categories={"route": ["air", "sea"]}, by="ada", **said)

    return registered


def kept(services: Services) -> int:
    with services.control.transaction() as connection:
        return len(connection.execute(versions.select()).all())


def test_its_record_is_what_is_registered_and_it_is_said_that_its_bytes_are_not_here(take: Take, services: Services) -> None:
    done = take()
    made = services.ledger.resolve(done.record.entry.lineage.train)
    assert set(made.files) == {REMOTE, "signature.json"}
    text = services.storage.read(made.files[REMOTE].path).decode()
    record = json.loads(text)["slipstream_remote"]
    assert (record["model"], record["version"], record["timeout_ms"], record["max_batch"]) == ("late", "3", 50, 8)
    assert TOKEN not in text
    signature = json.loads(services.storage.read(made.files["signature.json"].path))
    assert signature["form"] == "columns"
    value = services.ledger.resolve(done.record.entry.lineage.evaluation).value
    assert value["remote"] == ADDRESS
    assert value["latency_ms"]["p99"] > 0
    card = render(done.package)
    assert "served by" in card
    assert "oip://triton/late/versions/3" in card
    assert done.package.tags["slipstream.source.format"] == "oip"
    report = services.storage.read(services.ledger.resolve(done.record.entry.lineage.evaluation).files["report.html"].path)
    assert b"Over the wire" in report


def test_the_same_model_is_one_version_and_another_setting_another(take: Take) -> None:
    assert [take().version, take().version, take(f"{ADDRESS}?timeout_ms=90").version] == [1, 1, 2]


def test_outputs_that_are_none_of_the_problems_are_refused(take: Take, stub: Stub, services: Services) -> None:
    stub.score = lambda inputs: {"score": np.full((len(inputs["route"]), 1), 1.5, np.float32)}
    with pytest.raises(DataError) as refused:
        take()
    assert_says(refused.value, "The outputs of oip://triton/late/versions/3 are wrong", "nothing was registered")
    assert kept(services) == 0


def test_a_server_that_is_away_registers_nothing(take: Take, stub: Stub, services: Services) -> None:
    stub.__exit__()
    with pytest.raises(UnreachableError) as away:
        take()
    assert_says(away.value, "slipstream_oip_triton")
    assert kept(services) == 0

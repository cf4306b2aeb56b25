"""A model that stays on its server is registered: its metadata checked, some rows scored, a record of it kept and told of."""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from include.core.control import versions
from include.core.errors import DataError, UnreachableError
from include.governance.card import render
from include.handover.register import Registered, register
from include.model_contract.remote import REMOTE
from include.scoring.scorer import Scorer
from include.services.services import Services
from tests.support.error_message import assert_says
from tests.support.oip_stub import TOKEN, Stub
from tests.support.operator_runs import Life

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


def test_it_is_evaluated_on_the_holdout_beside_the_champion_and_scores_a_batch(registered: Life, stub: Stub) -> None:
    """`registered`: version 1 was trained here; the server takes one tensor of the shop's four inputs."""
    stub.inputs, stub.outputs = [("INPUT__0", "FP32", [-1, 4])], [("OUTPUT__0", "FP32", [-1, 1])]
    stub.max_batch, stub.score = 64, lambda inputs: {"OUTPUT__0": np.clip(np.nan_to_num(inputs["INPUT__0"][:, 2:3]) / 100, 0, 1)}
    services = Services(replace(registered.services.settings, environ=stub.variable))
    done = register("shop", ADDRESS, services=services, trained_until="2013-01-03", by="ada")
    value = services.ledger.resolve(done.record.entry.lineage.evaluation).value
    assert done.evaluated
    assert done.record.entry.metrics["auc"] > 0.5
    assert value["remote"] == ADDRESS
    assert not [reason for reason in done.record.entry.gate.reasons if "bytes" in reason]
    made = services.ledger.resolve(done.record.entry.lineage.train)
    record, signature = (services.storage.read(made.files[name].path) for name in (REMOTE, "signature.json"))
    scorer = Scorer(record, signature, 2, file=REMOTE, environ=stub.variable)
    assert TOKEN not in repr(scorer)
    assert TOKEN.encode() not in pickle.dumps(scorer)
    moment = datetime.fromisoformat("2013-01-04")
    columns = {"mean_price": [5.0], "bought": [1], "price": [25.0], "shelf": ["high"]}
    rows = pa.table({"request_id": ["r"], "event_timestamp": pa.array([moment], pa.timestamp("us")), **columns})
    assert scorer(rows)["score"].to_pylist() == [0.25]


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

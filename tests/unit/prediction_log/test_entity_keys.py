"""Gateways of one root that hide entities under several keys are told so."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from include.core.errors import SpecError
from include.core.storage import LocalStorage
from include.prediction_log.entity_keys import KEYS, EntityKeys
from include.prediction_log.pieces import shipped_models
from include.prediction_log.shared import SharedLog

ONE = {"AIRFLOW_CONN_SLIPSTREAM_ENTITIES": "generic://:one@x"}
ANOTHER = {"AIRFLOW_CONN_SLIPSTREAM_ENTITIES": "generic://:another@x"}


def gateway(tmp: Path, name: str, environ: dict[str, str]) -> EntityKeys:
    return EntityKeys(SharedLog(tmp / name, LocalStorage(tmp / "root")), environ)


def test_gateways_with_one_key_are_as_they_should_be_and_another_one_is_told(tmp_path: Path) -> None:
    gateway(tmp_path, "a", ONE).run()
    gateway(tmp_path, "b", ONE).run()
    with pytest.raises(SpecError, match="AIRFLOW_CONN_SLIPSTREAM_ENTITIES") as told:
        gateway(tmp_path, "c", ANOTHER).run()
    assert "2 with another key" in str(told.value)
    with pytest.raises(SpecError, match="1 with another key"):
        gateway(tmp_path, "a", ONE).run()
    assert shipped_models(LocalStorage(tmp_path / "root")) == []


def test_a_key_that_was_changed_everywhere_is_forgotten(tmp_path: Path) -> None:
    for name in ("a", "b"):
        gateway(tmp_path, name, ONE).run()
    for path in (tmp_path / "root" / KEYS).iterdir():
        os.utime(path, (0, 0))
    for name in ("a", "b"):
        gateway(tmp_path, name, ANOTHER).run()

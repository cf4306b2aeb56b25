from __future__ import annotations

from pathlib import Path

from include.core.settings import Settings
from include.prediction_log.units import units_of
from include.prediction_log.writer import PredictionLog
from include.routing.entity_hash import entity_id, unit


def test_what_the_gateway_writes_for_an_entity_and_what_earlier_releases_wrote(tmp_path: Path) -> None:
    number = unit(entity_id(["EWR", "UA"]), "toy")
    log = PredictionLog(tmp_path, "toy")
    assert units_of(Settings(home=tmp_path), "toy")(["EWR", "UA"]) == {log.pseudonym(number), f"{number:016x}"}

"""Up to when the log of each gateway is in the root: who judges a window is told of a gateway whose lines may be missing there.

A gateway that was asked to end has shipped everything and says so. One whose machine was lost, or that is cut off from the root,
has not: until then it is behind.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

from include.core.machine import gateway_id
from include.core.time import parse_time, precise
from include.prediction_log.pieces import ROOT
from include.prediction_log.shared import SharedLog

MARKS = f"{ROOT}/_shipped"  # no model is called so


@dataclass(frozen=True)
class Behind:
    """A gateway, and the moment (UTC, without zone) up to which its log is in the root."""

    gateway: str
    until: datetime

    @property
    def words(self) -> str:
        return f"gateway {self.gateway} has shipped its log up to {self.until:%Y-%m-%d %H:%M:%S} alone"


def mark_shipped(log: SharedLog, until: datetime, ended: bool) -> None:
    """Say that what this home had written by then (UTC, with zone) is in the root; `ended`: and that nothing more comes."""
    value = {"until": precise(until), "ended": ended}
    log.storage.write(f"{MARKS}/{gateway_id(log.home)}.json", json.dumps(value).encode())


def behind(log: SharedLog, start: datetime, end: datetime) -> list[Behind]:
    """Gateways of whose log the window (UTC, without zone) may lack lines. One that has said nothing since long before the window
    is gone, and was told of then."""
    found = []
    for path in log.storage.list(MARKS):
        value = json.loads(log.storage.read(path))
        until = parse_time(value["until"])
        if not value["ended"] and start - (end - start) <= until < end:
            found.append(Behind(path.rpartition("/")[2].removesuffix(".json"), until))
    return found

"""The duty of a gateway's agent (include/gateway/agent.py) that notices gateways of one root with several keys to hide entities.

An entity would be another one on each of them: entities are counted too often, and an id that was sent to two gateways is
contested. Nothing of a key can be read from what is kept in the root: a digest of a digest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from include.core.entity_key import CONNECTION, entity_key
from include.core.environment import connection
from include.core.errors import SpecError
from include.core.machine import gateway_id
from include.core.time import now
from include.prediction_log.pieces import ROOT
from include.prediction_log.shared import SharedLog

KEYS = f"{ROOT}/_keys"  # no model is called so
EVERY_SECONDS = 3600.0
SEEN = timedelta(hours=3)  # a gateway that has not said so for longer is gone, or has another key by now


@dataclass
class EntityKeys:
    """Says which key this gateway has, and looks which others have."""

    shared: SharedLog
    environ: Mapping[str, str] = field(default_factory=dict)
    name: str = "entity-key"
    every: float = EVERY_SECONDS

    def run(self) -> None:
        """Raises SpecError where another gateway has another key."""
        mine = hashlib.sha256(b"fingerprint of " + entity_key(self.shared.home, self.environ)).hexdigest()[:16]
        gateway = gateway_id(self.shared.home)
        self.shared.storage.write(f"{KEYS}/{mine}-{gateway}", b"")
        lately = [path for path, changed in self.shared.storage.changed(KEYS) if now() - changed < SEEN]
        said = [path.rpartition("/")[2].partition("-") for path in lately]
        others = sorted(name for key, _, name in said if key != mine and name != gateway)
        if others:
            raise SpecError(
                "Gateways of this storage root hide entities under different keys: an entity is another one on each of them.",
                seen=f"{len(others)} with another key, such as {others[0]}; this one is {gateway}",
                safe="what each has logged stays as it is.",
                hint=f"give all of them one key, {connection(CONNECTION).name}, and restart them.",
            )

    def end(self) -> None:
        """Nothing: a key does not change with the end."""

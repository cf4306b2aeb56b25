"""A case of examples/models served by a gateway of its own, for benches: one version over files that the bench made."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Self

import pyarrow as pa

from benchmarks.gateway.world import World
from include.core.control import versions
from include.core.digest import PROJECT
from include.core.ledger import Ledger
from include.core.request import Outcome, Request
from include.core.spec import ModelSpec
from include.core.time import now, timestamp
from include.model_contract.encoder import Encoder, Input
from include.online_store.open import open_online
from include.problems.of import params_of, signature_of
from include.versions.lifecycle import Stage


class ServedCase:
    """The world of the gateway's bench with that model alone. In a `with` its gateway runs, at `url`."""

    def __init__(self, home: Path, spec: ModelSpec) -> None:
        self.spec = spec
        self.world = World(home, {"SLIPSTREAM_MODELS": "examples.models", "PYTHONPATH": str(PROJECT)})
        self.moment: datetime = now().replace(tzinfo=None) - timedelta(hours=1)  # of all features

    def __enter__(self) -> Self:
        self.url = self.world.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.world.stop()

    def publish(self, files: Mapping[str, Path], encoder: Encoder | None = None) -> None:
        """The champion, of these files; its signature is written beside the first of them."""
        inputs = tuple(Input(each.name, each.dtype, each.default) for each in self.spec.features.inputs)
        known = encoder or Encoder(inputs, self.spec.label, self.spec.training.inputs)
        signature = next(iter(files.values())).parent / "signature.json"
        signature.write_text(json.dumps({**known.to_json(), **signature_of(params_of(self.spec))}))
        ledger, name = Ledger(self.world.settings.storage()), self.spec.name
        request = Request("train", "bench:none", name, {"version": 1})
        outcome = Outcome({}, {**files, "signature.json": signature})
        result = ledger.commit(request, ledger.open_attempt(request.key, 0), outcome, 0.1)
        row = {"key": "v1", "model": name, "version": 1, "semver": "1.1.0", "stage": str(Stage.CANDIDATE)}
        with self.world.control.transaction() as connection:
            connection.execute(versions.insert().values(**row, record={"train": ledger.ref(result).to_json()}, at=timestamp()))
        self.world.route(name, champion=1)

    def write(self, view: str, columns: Mapping[str, Any]) -> None:
        """Features into the online store."""
        rows = len(next(iter(columns.values())))
        table = pa.table({**columns, "event_timestamp": pa.array([self.moment] * rows, pa.timestamp("us"))})
        found = next(each for each in self.spec.features.views if each.name == view)
        open_online(self.world.settings.online_url).write(self.spec.name, found, table, self.moment)

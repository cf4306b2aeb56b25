"""The versions that learned from a subject's rows. Their weights stay as they are: a training without the rows replaces them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from include.core.control import ControlStore
from include.core.json_types import Json
from include.forgetting.graph import Graph
from include.versions import queries as versions
from include.versions.given_up import given_up_in
from include.versions.record import Stage

_KEY = re.compile(r"ledger/([^/]+/[^/]+)/g\d+/")


@dataclass(frozen=True)
class Learned:
    """A registered version whose training set held the rows. `given_up`: when and by which rule, where its files went with it."""

    model: str
    version: int
    semver: str
    stage: str
    given_up: str = ""

    @property
    def is_served(self) -> bool:
        return self.stage == str(Stage.PRODUCTION)

    def to_json(self) -> dict[str, Json]:
        return asdict(self)


def learned(control: ControlStore, graph: Graph, held: Iterable[str]) -> list[Learned]:
    """By model and number: the versions whose `train` result was made, directly or not, from results that held the rows."""
    trained = {key for key in graph.from_any(held) if graph.requests[key].step in ("train", "import")}
    with control.transaction() as connection:
        known = {(each.model, each.version): each for each in versions.standings_in(connection)}
        gone = given_up_in(connection)
    found = []
    for model, version, name, ref in versions.references(control):
        match = _KEY.search(ref.uri)
        if name == "train" and match and match[1] in trained:
            standing = known[model, version]
            words = gone[model, version].words if (model, version) in gone else ""
            found.append(Learned(model, version, standing.semver, str(standing.stage), words))
    return sorted(found, key=lambda each: (each.model, each.version))

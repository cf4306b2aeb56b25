"""What the versions that were given up leave free: results that none of the versions that are kept names.

Rows elsewhere may mention them (a decision, a rollout, the registration's effect), and later results were compared with them, or
began from their weights: none of that keeps them, as it keeps no raw partition whose time is over.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import sqlalchemy as sa

from include.core.given_up import GivenUpMark, place_of
from include.core.ledger import Ledger
from include.retention.holdings import Holding, Place
from include.versions.given_up import given_up_in, named_in

# What is made of a version's rows and model for its own sake, and is nobody's once the version is.
FOLLOWING = frozenset({"tune", "validate_training_set", "reference", "shadows"})


@dataclass(frozen=True)
class Released:
    """`keys`: with all their generations. `places`: those of a key that a version that is kept names by another generation.
    `digests`: of their results. `registrations`: the keys of the versions. `marks`: by place, what is to be left there."""

    keys: frozenset[str] = frozenset()
    places: frozenset[Place] = frozenset()
    digests: frozenset[str] = frozenset()
    registrations: frozenset[str] = frozenset()
    marks: Mapping[Place, GivenUpMark] = field(default_factory=dict)

    def __contains__(self, place: Place) -> bool:
        return place[0] in self.keys or place in self.places

    def with_following(self, ledger: Ledger, there: Mapping[Place, Holding]) -> Released:
        """With what followed from them for their own sake. Reads the requests of such steps."""
        if not self.keys and not self.places:
            return self
        keys = {key for key, _ in there if key.partition("/")[0] in FOLLOWING}
        found = {key for key in keys if any(place in self for place in inputs_of(ledger, key))}
        return Released(self.keys | found, self.places, self.digests, self.registrations, self.marks)


def released_in(connection: sa.Connection, also: Iterable[tuple[str, int]] = ()) -> Released:
    """As the control store has it now; as it would be if `also` (model and number) were given up."""
    gone = given_up_in(connection)
    named = named_in(connection)
    lost = gone.keys() | set(also)
    kept = [ref for model, version, _, refs in named if (model, version) not in lost for ref in refs]
    kept_places, kept_digests = {place_of(ref) for ref in kept}, {ref.digest for ref in kept}
    kept_keys = {place[0] for place in kept_places if place is not None}
    keys, places, digests = set[str](), set[Place](), set[str]()
    marks: dict[Place, GivenUpMark] = {}
    for model, version, _, refs in named:
        for ref in refs if (model, version) in lost else ():
            place = place_of(ref)
            if place is None or place in kept_places:
                continue
            if ref.digest not in kept_digests:
                digests.add(ref.digest)
            if place[0] in kept_keys:
                places.add(place)
            else:
                keys.add(place[0])
            mark = gone[model, version].mark if (model, version) in gone else None
            if mark is not None and (place not in marks or marks[place].at < mark.at):  # the last that it was kept for
                marks[place] = mark
    registrations = {key for model, version, key, _ in named if (model, version) in lost}
    return Released(frozenset(keys), frozenset(places), frozenset(digests), frozenset(registrations), marks)


def inputs_of(ledger: Ledger, key: str) -> list[Place]:
    """The results that a key is made from; nothing where its request cannot be read."""
    try:
        request = ledger.request(key)
    except (FileNotFoundError, KeyError, TypeError, AttributeError):
        return []
    return [place for ref in request.inputs.values() if (place := place_of(ref)) is not None]

"""Whom a request to forget is about, and in which models and feature sets: those that share what the named one is made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from include.core.errors import SpecError
from include.core.keys import key_text
from include.core.spec import ModelSpec, PartitionOwner
from include.core.subject import REQUEST_ID, one_form
from include.data.subject_rows import Columns


@dataclass(frozen=True)
class Scope:
    """The models and feature sets whose rows may be the subject's: the one that was named, and all that share a set with it."""

    owners: tuple[PartitionOwner, ...]
    given: Mapping[str, str]
    """By key, the subject's value as text."""
    unknown: Mapping[str, str] = field(default_factory=dict)
    """Models and feature sets whose spec cannot be loaded, which may share a set with these: why, by name."""

    @property
    def names(self) -> frozenset[str]:
        return frozenset(owner.name for owner in self.owners)

    @property
    def models(self) -> list[ModelSpec]:
        return [owner for owner in self.owners if isinstance(owner, ModelSpec)]

    def columns(self, owner: str, *, raw: bool = False) -> Columns:
        """Where that one's tables hold the keys; with `raw` those that are as they landed."""
        spec = next(each for each in self.owners if each.name == owner)
        return Columns.of(owner, self.given, spec.data.subject_columns, raw=raw)


def keys_of(owner: PartitionOwner) -> tuple[str, ...]:
    """The keys that its entities have."""
    return tuple(dict.fromkeys([*owner.features.keys, *(key for view in owner.features.views for key in view.keys)]))


def given_keys(texts: Sequence[str]) -> dict[str, str]:
    """`KEY=VALUE` as they were given, in the one form of a key. Raises SpecError."""
    found: dict[str, str] = {}
    for text in texts:
        name, separator, value = text.partition("=")
        name = name.strip()
        if not separator or not name or not value or found.get(name, value) != value:
            raise SpecError(
                "An entity is given as KEY=VALUE, each of its keys once.", seen=text, safe="nothing was changed.",
                hint="--entity passenger=123",
            )  # fmt: skip
        found[name] = key_text(value)
    return found


def scope_of(
    named: PartitionOwner, others: Iterable[PartitionOwner], given: Mapping[str, str], unknown: Mapping[str, str] | None = None
) -> Scope:
    """Raises SpecError for a key that the named one's entities do not have."""
    keys = keys_of(named)
    foreign = sorted(set(given) - set(keys))
    if foreign or not given:
        raise SpecError(
            f"{', '.join(foreign) or 'Nothing'} is a key of no entity of {named.name}.",
            seen=sorted(given),
            safe="nothing was changed.",
            hint=f"its keys are {', '.join(keys)}." if keys else f"{named.name} has no keys: nobody can be told apart in it.",
        )
    return Scope(tuple(_related(named, list(others))), {name: one_form(text) for name, text in given.items()}, unknown or {})


def _related(named: PartitionOwner, others: list[PartitionOwner]) -> list[PartitionOwner]:
    """The named one first; then whatever shares a feature set with it, directly or by others."""
    found, left = [named], [each for each in others if each.name != named.name]
    while near := [each for each in left if any(_share(each, other) for other in found)]:
        found += near
        left = [each for each in left if each not in near]
    return found


def _share(one: PartitionOwner, other: PartitionOwner) -> bool:
    return bool(_sets(one) & _sets(other))


def _sets(owner: PartitionOwner) -> set[str]:
    """The feature sets that it is, or reads."""
    return {asked.partition(".")[0] for asked in owner.features.sets} | (set() if isinstance(owner, ModelSpec) else {owner.name})


def unsaid(owner: PartitionOwner, columns: Mapping[str, Sequence[str]], given: Mapping[str, str]) -> list[str]:
    """The sources of whose columns none is known to say whose its rows are: by their columns' names."""
    named = Columns.of(owner.name, given, owner.data.subject_columns, raw=True)
    found = []
    for source, names in columns.items():
        places = named.places(names)
        if source in owner.data.impersonal_sources:
            continue
        if REQUEST_ID not in places and not all(key in places for key in given):
            found.append(source)
    return found

"""Keeping the registry's labels equal to the control store, which alone decides: after every move, or later.

What was shown last is a row. A model whose labels have another digest now is *behind*: whoever moved its versions, and
whether or not the registry was there. The next task or command that looks catches up. Traffic never waits for it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

import sqlalchemy as sa

from include.core.adapters import adapter
from include.core.advisory_lock import TIMEOUT, advisory_lock
from include.core.control import ControlStore, mirrors
from include.core.errors import FencedError, SlipstreamError
from include.core.settings import Settings
from include.core.time import timestamp
from include.governance.labels import Labels, digests, labels
from include.versions.record import VersionRecord

log = logging.getLogger(__name__)
TRIES = 3
STUCK = "They were shown while another process was writing them, which may be stuck."


class RegistryLabels(Protocol):
    """The part of the Registry port that a mirror needs (include/governance/registry.py)."""

    def mirror(self, model: str, records: Sequence[VersionRecord], aliases: Mapping[str, int]) -> None:
        """Make tags (stage, semver, gate) and aliases exactly these; writes only what differs."""


def open_labels(settings: Settings, control: ControlStore) -> RegistryLabels:
    """What shows stages in the registry that the settings name, without importing the registry's own client."""
    opener: Callable[[Settings, ControlStore], RegistryLabels] = adapter(f"labels.{settings.registry}")
    return opener(settings, control)


@dataclass(frozen=True)
class OutOfDate:
    """A model whose labels in the registry are not those of the control store, as far as is known."""

    model: str
    since: str  # UTC, ISO 8601: when they were last seen to agree, or first found not to; empty where they were never shown
    problem: str  # why the last try failed; empty where none was made since


def mirror(control: ControlStore, registry: RegistryLabels, model: str, timeout: float = TIMEOUT) -> None:
    """Show a model's stages as aliases and tags of the registry, and remember that they are shown.

    One at a time: who has waited for `timeout` seconds goes ahead, since the other may be stuck, and leaves the model behind
    until nobody is. Who finds, when it is done, that another has gone ahead does its work again: an older state never stands
    over a newer one. Raises what the registry raises.
    """
    with alone(control, model, timeout) as acquired:
        for last in (*[False] * (TRIES - 1), True):
            epoch = control.take(resource(model), "mirror")
            shown = _apply(control, registry, model)
            if not acquired:  # what the other writes when it wakes up is not known: no word that the labels are these
                _record(control, model, None, problem=f"{STUCK} Next: slipstream mirror {model}")
                return
            try:
                _record(control, model, epoch, shown=shown.digest, problem="")
                return
            except FencedError:
                if last:
                    raise


def follow(control: ControlStore, open_registry: Callable[[], RegistryLabels], model: str) -> str:
    """Mirror after a move: what stood in the way, in words; empty where nothing did.

    Never raises what the registry does: the move is done, and that it is not shown yet is remembered.
    """
    try:
        mirror(control, open_registry(), model)
    except Exception as error:  # noqa: BLE001 - a registry is a stranger's server, and the traffic has moved already
        return note(control, model, error)
    return ""


def note(control: ControlStore, model: str, error: Exception) -> str:
    """Remember why the registry does not show a model's stages; returns it in words."""
    words = f"{type(error).__name__}: {error}"
    if isinstance(error, SlipstreamError):
        words = " ".join(filter(None, (error.what, error.hint and f"Next: {error.hint}")))
    log.warning("The registry does not show the stages of %s yet: %s", model, words)
    _record(control, model, None, problem=words[:2000])
    return words


def behind(control: ControlStore, model: str = "") -> list[OutOfDate]:
    """The models whose labels are behind, or the one. Reads the control store only: two short queries."""
    with control.transaction() as connection:
        rows = {row.model: row for row in connection.execute(sa.select(mirrors))}
    found = []
    for name, digest in digests(control, model).items():
        row = rows.get(name)
        if row is None or row.shown != digest:
            found.append(OutOfDate(name, row.at if row else "", row.problem if row else ""))
    return sorted(found, key=lambda each: each.model)


def catch_up(
    control: ControlStore, open_registry: Callable[[], RegistryLabels], models: Iterable[str] | None = None
) -> dict[str, str]:
    """Mirror every model that is behind, of those given: its name, and what stood in the way (empty: nothing).

    The registry is opened only if one is.
    """
    wanted = None if models is None else set(models)
    late = [each.model for each in behind(control) if wanted is None or each.model in wanted]
    return {name: follow(control, open_registry, name) for name in late}


def resource(model: str) -> str:
    """What is queued for, and fenced."""
    return f"labels/{model}"


def alone(control: ControlStore, model: str, timeout: float) -> AbstractContextManager[bool]:
    """The queue. Whoever registers a version mirrors while it holds the model's registrations: the file is no other lock's."""
    return advisory_lock(control, resource(model), timeout, file=f"labels-{model}")


def _apply(control: ControlStore, registry: RegistryLabels, model: str) -> Labels:
    """Write until the labels that were written are those that stand."""
    shown, wanted = None, labels(control, model)
    while wanted.records and shown != wanted:
        registry.mirror(model, wanted.records, wanted.aliases)
        shown, wanted = wanted, labels(control, model)
    return wanted


def _record(control: ControlStore, model: str, epoch: int | None, **values: str) -> None:
    mine = mirrors.c.model == model
    with control.transaction() as connection:
        if epoch is not None:
            control.fence(connection, resource(model), epoch)
            values["at"] = timestamp()
        if connection.execute(mirrors.update().where(mine).values(**values)).rowcount:
            return
        try:
            with connection.begin_nested():
                row = {"shown": "", "at": timestamp(), "problem": "", **values}
                connection.execute(mirrors.insert().values(model=model, **row))
        except sa.exc.IntegrityError:  # another process was first
            connection.execute(mirrors.update().where(mine).values(**values))

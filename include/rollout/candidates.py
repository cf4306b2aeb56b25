"""Candidates: versions that may be rolled out and wait for their turn. None of them waits for ever without a word.

A candidate that is older than the live challenger or the champion is superseded: it was judged against a champion that is
gone, and its turn would bring an older model back. It becomes Archived with the reason in the audit chain; a person may still
offer it again. A candidate that had a rollout, or was superseded, was offered again by a person, and is left to that person.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from include.core.control import ControlStore, effects, fences, now, rollouts, versions


@dataclass(frozen=True)
class Waiting:
    """A model's candidates without a turn, newest first."""

    model: str
    champion: int | None
    challenger: int | None  # of the live rollout
    fresh: tuple[int, ...]  # neither rolled out nor superseded yet
    again: tuple[int, ...]  # a Candidate once more, by a person's hand
    registered: datetime  # the newest of them
    epoch: int  # of the model's rollout fence before this look

    @property
    def newer(self) -> tuple[int | None, str]:
        """The version that supersedes older candidates, and what it is."""
        known = [(self.challenger, "is being rolled out"), (self.champion, "is in production")]
        return max(((version, words) for version, words in known if version is not None), default=(None, ""))

    @property
    def superseded(self) -> tuple[int, ...]:
        newer, _ = self.newer
        return tuple(version for version in self.fresh if newer is not None and version < newer)

    @property
    def due(self) -> int | None:
        """Whose turn it is: the newest that nothing supersedes; None while a rollout is live."""
        left = [version for version in self.fresh if version not in self.superseded]
        return left[0] if left and self.challenger is None else None


def waiting(control: ControlStore) -> list[Waiting]:
    """Every model with candidates that are not being rolled out."""
    columns = (versions.c.model, versions.c.version, versions.c.at)
    with control.transaction() as connection:
        rows = connection.execute(
            sa.select(*columns).where(versions.c.stage == "Candidate").order_by(versions.c.model, versions.c.version.desc())
        ).all()
        carried = connection.execute(sa.select(rollouts.c.model, rollouts.c.challenger).where(rollouts.c.live.is_not(None)))
        live = {row.model: row.challenger for row in carried}
        found: dict[str, list[tuple[int, str]]] = {}
        for row in rows:
            if live.get(row.model) != row.version:
                found.setdefault(row.model, []).append((row.version, row.at))
        return [_waiting(connection, model, known, live.get(model)) for model, known in found.items()]


def _waiting(connection: sa.Connection, model: str, known: list[tuple[int, str]], challenger: int | None) -> Waiting:
    had = _had(connection, model, [version for version, _ in known])
    champion = connection.execute(
        sa.select(sa.func.max(versions.c.version)).where(versions.c.model == model, versions.c.stage == "Production")
    ).scalar()
    epoch = connection.execute(sa.select(fences.c.epoch).where(fences.c.resource == f"rollout/{model}")).scalar()
    fresh = tuple(version for version, _ in known if version not in had)
    again = tuple(version for version, _ in known if version in had)
    newest = max(datetime.fromisoformat(at) for _, at in known)
    return Waiting(model, champion, challenger, fresh, again, newest, int(epoch or 0))


def _had(connection: sa.Connection, model: str, candidates: Iterable[int]) -> set[int]:
    """Those that had a rollout, or were superseded."""
    over = set(connection.execute(sa.select(rollouts.c.challenger).where(rollouts.c.model == model)).scalars())
    keys = {_key(model, version): version for version in candidates}
    known = connection.execute(sa.select(effects.c.key).where(effects.c.key.in_(keys))).scalars()
    return over | {keys[key] for key in known}


def _key(model: str, version: int) -> str:
    return f"superseded/{model}/{version}"


def supersede_in(
    control: ControlStore, connection: sa.Connection, model: str, superseded: Iterable[int], by: int, actor: str
) -> list[int]:
    """Archive candidates for a newer version, with an audit row each, in the caller's transaction. Returns those that it met.

    One whose rollout is live is none, and stays.
    """
    live = connection.execute(sa.select(rollouts.c.challenger).where(rollouts.c.live == model)).scalar()
    gone = []
    for version in superseded:
        mine = sa.and_(versions.c.model == model, versions.c.version == version, versions.c.stage == "Candidate")
        if version != live and connection.execute(versions.update().where(mine).values(stage="Archived")).rowcount:
            detail = {"version": version, "by": by, "reason": f"version {by}, which is newer, had its turn first"}
            control.append_audit(connection, actor, "candidate.superseded", model, detail)
            row = {"key": _key(model, version), "resource": f"rollout/{model}", "epoch": 0, "result": detail, "at": now()}
            connection.execute(effects.insert().values(**row))
            gone.append(version)
    return gone


def supersede_older(control: ControlStore, model: str, version: int, actor: str) -> list[int]:
    """Archive the fresh candidates that are older than a version whose rollout is live. Doing it again changes nothing."""
    with control.transaction() as connection:
        mine = sa.and_(versions.c.model == model, versions.c.stage == "Candidate", versions.c.version < version)
        found = connection.execute(sa.select(versions.c.version).where(mine).order_by(versions.c.version.desc())).scalars().all()
        had = _had(connection, model, found)
        return supersede_in(control, connection, model, [each for each in found if each not in had], version, actor)

"""Every gateway that reports itself to the control store: what it serves, and since when it is silent.

A gateway writes its row as soon as what it serves changes, and every few seconds anyway. How long it has been silent is told by
the database's clock alone, both when it writes and when somebody asks, so that no two machines' clocks are compared.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Self

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from include.core.control import ControlStore, gateways
from include.core.errors import NotReadyError
from include.core.machine import gateway_id
from include.core.time import timestamp

ALIVE_SECONDS = 10.0  # a gateway that has been silent for longer is not waited for
FORGOTTEN_SECONDS = 24 * 3600.0  # and after that long its row goes
REASON = 500  # characters of a refusal that are reported
UNIX_EPOCH = 2440587.5  # as SQLite counts days


@dataclass(frozen=True)
class Identity:
    """Which gateway it is. `place`: where it listens, which tells several of one home apart."""

    gateway: str
    place: str
    host: str
    pid: int
    release: str
    started: str

    @classmethod
    def of_this_process(cls, home: Path, place: str) -> Self:
        """Of the gateway that this process is, or is the parent of."""
        return cls(gateway_id(home), place, socket.gethostname(), os.getpid(), release(), timestamp())


@dataclass(frozen=True)
class Report:
    """What a gateway serves: by model the generation of the route that all of its ready workers follow.

    `refused`: by model the generation that it cannot apply, and why, version by version.
    """

    applied: Mapping[str, int] = field(default_factory=dict)
    refused: Mapping[str, tuple[int, Mapping[str, str]]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        refused = {
            model: {"generation": generation, "why": {each: text[:REASON] for each, text in why.items()}}
            for model, (generation, why) in self.refused.items()
        }
        return {"applied": dict(self.applied), "refused": refused}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        refused = {model: (each["generation"], each["why"]) for model, each in value["refused"].items()}
        return cls(value["applied"], refused)


@dataclass(frozen=True)
class Gateway:
    """A gateway as the control store knows it. `silent`: seconds since it was heard of. `heard`: when that was, ISO 8601, UTC."""

    identity: Identity
    report: Report
    silent: float
    heard: str

    @property
    def alive(self) -> bool:
        return self.silent <= ALIVE_SECONDS

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.identity.gateway} ({self.identity.place} on {self.identity.host})"

    def to_json(self) -> dict[str, Any]:
        told = self.report.to_json()
        life = {"alive": self.alive, "silent": round(self.silent, 1), "heard": self.heard}
        return {**vars(self.identity), **life, "serves": told["applied"], "refused": told["refused"]}

    def serves(self, model: str) -> int:
        """The generation of the model's route that it follows; 0 for none."""
        return self.report.applied.get(model, 0)

    def follows(self, model: str, generation: int) -> bool:
        """Whether it serves that generation of the model's route, or a later one."""
        return self.serves(model) >= generation

    def refusal(self, model: str, generation: int) -> Mapping[str, str] | None:
        """Why it cannot apply that generation, version by version; None where it has refused neither it nor a later one."""
        refused, why = self.report.refused.get(model, (-1, None))
        return why if refused >= generation else None


def report(control: ControlStore, identity: Identity, what: Report) -> None:
    """Say that the gateway lives, and what it serves."""
    _require(control)
    with control.transaction() as connection:
        insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
        values = {**vars(identity), "beat": _now(connection), "report": what.to_json()}
        statement = insert(gateways).values(**values)
        new = {name: statement.excluded[name] for name in values if name not in ("gateway", "place")}
        connection.execute(statement.on_conflict_do_update(index_elements=["gateway", "place"], set_=new))


def leave(control: ControlStore, identity: Identity) -> None:
    """The gateway ends: nobody is to wait for it."""
    _require(control)
    mine = (gateways.c.gateway == identity.gateway, gateways.c.place == identity.place, gateways.c.pid == identity.pid)
    with control.transaction() as connection:
        connection.execute(gateways.delete().where(*mine))


def forget(control: ControlStore) -> None:
    """Remove the rows of those that have been silent for long."""
    _require(control)
    with control.transaction() as connection:
        connection.execute(gateways.delete().where(gateways.c.beat < _now(connection) - FORGOTTEN_SECONDS))


def list_gateways(control: ControlStore) -> list[Gateway]:
    """All that are not forgotten, those heard of last first. One query, which takes no lock."""
    _require(control)
    with control.explaining(), control.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        silent = (_now(connection) - gateways.c.beat).label("silent")
        rows = connection.execute(sa.select(gateways, silent).order_by(gateways.c.beat.desc())).all()
    return [_gateway(row) for row in rows if row.silent <= FORGOTTEN_SECONDS]


def database_time(control: ControlStore) -> datetime:
    """The present moment by the database's clock, UTC."""
    with control.explaining(), control.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        return datetime.fromtimestamp(float(connection.execute(sa.select(_now(connection))).scalar_one()), UTC)


def silent_words(silent: Iterable[Gateway], most: int = 5) -> str:
    """Those that are not waited for, and since when nothing was heard of each; empty where there are none."""
    named = [f"{each.name}, silent since {each.heard[:19]} UTC" for each in silent]
    return "; ".join(named[:most]) + (f"; and {len(named) - most} more" if len(named) > most else "")


def release() -> str:
    """The version of the release that runs here."""
    try:
        return version("slipstream")
    except PackageNotFoundError:
        return "unknown"  # from a checkout that is not installed


def _require(control: ControlStore) -> None:
    """Raises NotReadyError where the file of a SQLite store has gone: SQLite would make an empty one in its place."""
    path = control.engine.url.database
    if control.engine.dialect.name == "sqlite" and path and path != ":memory:" and not Path(path).exists():
        raise NotReadyError(f"There is no control store at {path}.", hint="put it back; what was read of it stands until then.")


def _gateway(row: sa.Row[Any]) -> Gateway:
    identity = Identity(row.gateway, row.place, row.host, row.pid, row.release, row.started)
    heard = timestamp(datetime.fromtimestamp(row.beat, UTC))
    return Gateway(identity, Report.from_json(row.report), max(0.0, float(row.silent)), heard)


def _now(connection: sa.Connection) -> sa.ColumnElement[float]:
    """Seconds since 1970 by the database's clock."""
    if connection.dialect.name == "postgresql":
        return sa.cast(sa.extract("epoch", sa.func.clock_timestamp()), sa.Double)
    return (sa.func.julianday("now", type_=sa.Double) - UNIX_EPOCH) * 86400.0

"""The control store: what needs transactions and unique constraints. SQLite, or PostgreSQL.

Effects (one row for each mutation of the world, by idempotency key), fences (who may still mutate a
resource), rollouts and experiments with what they saw, the routes the gateways serve, what each of them reports, registered
versions, decisions, and an append-only audit chain in which each row's hash covers the row before it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DatabaseError, InterfaceError, OperationalError
from sqlalchemy.exc import IntegrityError as SqlIntegrityError

from include.core import fault
from include.core.database import explained, open_engine
from include.core.digest import digest_json
from include.core.errors import FencedError, PermanentError, StorageFullError, TransientError
from include.core.schema import TABLE
from include.core.schema.state import create, refusal, stored
from include.core.time import timestamp
from include.core.versioned import Format
from include.core.versioned_column import VersionedJson

metadata = sa.MetaData()
# What each JSON column holds. A format that changes gets a version and a function that makes it of the one before.
EFFECT, EVENT, ROUTE = (
    Format("the result of an effect"),
    Format("the evidence of a rollout's event"),
    Format("the route of a model"),
)
PARTITION, VERSION, DECISION = Format("a published day"), Format("the record of a version"), Format("the evidence of a decision")
PLAN, FINDING = Format("the plan of an experiment"), Format("what an experiment found")
GATEWAY, TOKEN = Format("what a gateway reports"), Format("a token of the gateways")
ATTEMPTS = 5  # to make the tables, where others are making them
FLOOR = "*"  # the fence of every resource that has none of its own: include/backup/load.py sets it in a store that is restored

effects = sa.Table(
    "slipstream_effects", metadata,
    sa.Column("key", sa.String(255), primary_key=True),
    sa.Column("resource", sa.String(255), nullable=False, index=True),
    sa.Column("epoch", sa.Integer, nullable=False),
    sa.Column("result", VersionedJson(EFFECT), nullable=False),
    sa.Column("at", sa.String(40), nullable=False),
)  # fmt: skip

fences = sa.Table(
    "slipstream_fences", metadata,
    sa.Column("resource", sa.String(255), primary_key=True),
    sa.Column("epoch", sa.Integer, nullable=False),
    sa.Column("holder", sa.String(512), nullable=False),
    sa.Column("at", sa.String(40), nullable=False),
)  # fmt: skip

rollouts = sa.Table(
    "slipstream_rollouts", metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("model", sa.String(128), nullable=False, index=True),
    # Equal to `model` while the rollout is live, else NULL: one live rollout a model, by constraint.
    sa.Column("live", sa.String(128), unique=True, nullable=True),
    sa.Column("challenger", sa.Integer, nullable=False),
    sa.Column("champion", sa.Integer, nullable=True),
    sa.Column("stage", sa.String(32), nullable=False),
    sa.Column("state", sa.String(32), nullable=False),  # running, paused, promoted, rolled_back
    sa.Column("reason", sa.Text, nullable=False, default=""),
    sa.Column("created_at", sa.String(40), nullable=False),
    sa.Column("updated_at", sa.String(40), nullable=False),
)  # fmt: skip

rollout_events = sa.Table(
    "slipstream_rollout_events", metadata,
    sa.Column("key", sa.String(255), primary_key=True),
    sa.Column("rollout", sa.String(64), nullable=False, index=True),
    sa.Column("stage", sa.String(32), nullable=False),
    sa.Column("event", sa.String(32), nullable=False),  # entered, paused, resumed, alert, verdict, ...
    sa.Column("evidence", VersionedJson(EVENT), nullable=False),
    sa.Column("at", sa.String(40), nullable=False),
)  # fmt: skip

rollout_folds = sa.Table(  # what of a live rollout's evidence is past change: include/rollout/evidence_store.py
    "slipstream_rollout_folds", metadata,
    sa.Column("rollout", sa.String(64), primary_key=True),
    sa.Column("seq", sa.Integer, nullable=False),
    sa.Column("fold", sa.JSON, nullable=False),
    sa.Column("at", sa.String(40), nullable=False),
)  # fmt: skip

rollout_stages = sa.Table(  # the stage that the sources of a live rollout's evidence count for
    "slipstream_rollout_stages", metadata,
    sa.Column("rollout", sa.String(64), primary_key=True),
    sa.Column("generation", sa.Integer, nullable=False),
    sa.Column("judged", sa.Integer, nullable=False),  # slices that a look has found complete: nothing is added to them
    sa.Column("terms", sa.JSON, nullable=False),
    sa.Column("at", sa.String(40), nullable=False),
)  # fmt: skip

rollout_sources = sa.Table(  # what one gateway has counted, and the place up to which it has read its log
    "slipstream_rollout_sources", metadata,
    sa.Column("rollout", sa.String(64), primary_key=True),
    sa.Column("source", sa.String(64), primary_key=True),
    sa.Column("seq", sa.Integer, nullable=False),
    sa.Column("generation", sa.Integer, nullable=False),  # of the stage that its counts are of
    sa.Column("clock", sa.BigInteger, nullable=False),  # requests that it has counted in that stage
    sa.Column("head", sa.JSON, nullable=False),
    sa.Column("at", sa.String(40), nullable=False),
)  # fmt: skip

rollout_parts = sa.Table(  # rows of a source's evidence; all but the last part of a kind stay as they are
    "slipstream_rollout_parts", metadata,
    sa.Column("rollout", sa.String(64), primary_key=True),
    sa.Column("source", sa.String(64), primary_key=True),
    sa.Column("kind", sa.String(16), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("body", sa.JSON, nullable=False),
)  # fmt: skip

experiments = sa.Table(
    "slipstream_experiments", metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("model", sa.String(128), nullable=False, index=True),
    sa.Column("name", sa.String(64), nullable=False),
    sa.Column("live", sa.String(128), unique=True, nullable=True),  # equal to `model` while it runs, as of rollouts
    sa.Column("champion", sa.Integer, nullable=False),
    sa.Column("treatment", sa.Integer, nullable=False),
    sa.Column("state", sa.String(32), nullable=False),  # running, decided, stopped, interrupted
    sa.Column("answer", sa.String(32), nullable=False),  # of the decision; empty while it runs
    sa.Column("plan", VersionedJson(PLAN), nullable=False),  # what was said before the start: include.experiments.plan.Plan
    sa.Column("decision", VersionedJson(FINDING), nullable=False),  # the answer, its reasons and the evidence that it stands on
    sa.Column("started_at", sa.String(40), nullable=False),
    sa.Column("ended_at", sa.String(40), nullable=False),  # empty while it runs
)  # fmt: skip

experiment_looks = sa.Table(  # what each look at an experiment found
    "slipstream_experiment_looks", metadata,
    sa.Column("experiment", sa.String(64), primary_key=True),
    sa.Column("cutoff", sa.String(40), primary_key=True),  # what was written to the log by then was counted
    sa.Column("evidence", VersionedJson(FINDING), nullable=False),
    sa.Column("at", sa.String(40), nullable=False),
)  # fmt: skip

routes = sa.Table(
    "slipstream_routes", metadata,
    sa.Column("model", sa.String(128), primary_key=True),
    sa.Column("generation", sa.Integer, nullable=False),
    sa.Column("route", VersionedJson(ROUTE), nullable=False),  # include.routing.route.Route
    sa.Column("at", sa.String(40), nullable=False),
)  # fmt: skip

partitions = sa.Table(
    "slipstream_partitions", metadata,
    sa.Column("model", sa.String(128), primary_key=True),
    sa.Column("day", sa.String(32), primary_key=True),  # the partition's name: include/core/partition.py
    sa.Column("starts", sa.String(26), nullable=False),  # where it begins and ends: UTC without a zone, as text that sorts
    sa.Column("ends", sa.String(26), nullable=False),
    sa.Column("ref", VersionedJson(PARTITION), nullable=False),  # Ref of the `features` result that is published for the day
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("rows", sa.JSON, nullable=False),  # {dataset: rows}
    sa.Column("at", sa.String(40), nullable=False),
    sa.Index("slipstream_partitions_ends", "model", "ends"),  # each publication asks what it overlaps
)  # fmt: skip

versions = sa.Table(
    "slipstream_versions", metadata,
    sa.Column("key", sa.String(255), primary_key=True),  # one version for each registration key
    sa.Column("model", sa.String(128), nullable=False, index=True),
    sa.Column("version", sa.Integer, nullable=False),  # the registry's own number
    sa.Column("semver", sa.String(32), nullable=False),
    sa.Column("stage", sa.String(32), nullable=False),  # Staging, Candidate, Production, Archived
    sa.Column("record", VersionedJson(VERSION), nullable=False),  # include.versions.record.VersionRecord
    sa.Column("at", sa.String(40), nullable=False),
    sa.UniqueConstraint("model", "version"),
    sa.UniqueConstraint("model", "semver"),
)  # fmt: skip

mirrors = sa.Table(  # what the registry was last seen to show of each model: include/governance/mirror.py
    "slipstream_mirrors", metadata,
    sa.Column("model", sa.String(128), primary_key=True),
    sa.Column("shown", sa.String(64), nullable=False),  # digest of the labels; empty where they were never shown
    sa.Column("problem", sa.Text, nullable=False),  # why the last try failed; empty where it did not
    sa.Column("at", sa.String(40), nullable=False),
)  # fmt: skip

decisions = sa.Table(
    "slipstream_decisions", metadata,
    sa.Column("key", sa.String(255), primary_key=True),
    sa.Column("model", sa.String(128), nullable=False, index=True),
    sa.Column("as_of", sa.String(40), nullable=False),
    sa.Column("action", sa.String(32), nullable=False),  # retrain, hold
    sa.Column("reasons", sa.JSON, nullable=False),
    sa.Column("evidence", VersionedJson(DECISION), nullable=False),
    sa.Column("at", sa.String(40), nullable=False),
)  # fmt: skip

gateways = sa.Table(  # every gateway that reports itself: include/routing/gateways.py
    "slipstream_gateways", metadata,
    sa.Column("gateway", sa.String(64), primary_key=True),  # include.core.machine.gateway_id
    sa.Column("place", sa.String(255), primary_key=True),  # where it listens: two of one home are two
    sa.Column("host", sa.String(255), nullable=False),
    sa.Column("pid", sa.Integer, nullable=False),
    sa.Column("release", sa.String(64), nullable=False),
    sa.Column("started", sa.String(40), nullable=False),
    sa.Column("beat", sa.Double, nullable=False),  # seconds since 1970, by the database's clock
    sa.Column("report", VersionedJson(GATEWAY), nullable=False),  # what it serves of each model, and what it refused
)  # fmt: skip

tokens = sa.Table(  # of every gateway, beside those of its own file: include/serving/http/shared_tokens.py
    "slipstream_tokens", metadata,
    sa.Column("name", sa.String(100), primary_key=True),
    sa.Column("sha256", sa.String(64), nullable=False, unique=True),  # a token's text is stored nowhere
    sa.Column("token", VersionedJson(TOKEN), nullable=False),
    sa.Column("at", sa.String(40), nullable=False),
)  # fmt: skip

documents = sa.Table(  # small things that are kept to be read again: include/core/documents.py
    "slipstream_documents", metadata,
    sa.Column("key", sa.String(255), primary_key=True),
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("subject", sa.String(255), nullable=False),  # what it is about; most often a model
    sa.Column("body", sa.JSON, nullable=False),
    sa.Column("at", sa.String(40), nullable=False),
    sa.Index("ix_slipstream_documents_subject", "kind", "subject", "at"),
)  # fmt: skip

schema = sa.Table(  # one row, the number of the schema: include/core/schema
    TABLE, metadata,
    sa.Column("version_num", sa.String(32), primary_key=True),
)  # fmt: skip

audit = sa.Table(
    "slipstream_audit", metadata,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("at", sa.String(40), nullable=False),
    sa.Column("actor", sa.String(255), nullable=False),
    sa.Column("action", sa.String(64), nullable=False),
    sa.Column("subject", sa.String(255), nullable=False),
    sa.Column("detail", sa.JSON, nullable=False),
    sa.Column("previous", sa.String(64), nullable=False),
    sa.Column("hash", sa.String(64), nullable=False),
)  # fmt: skip


def audit_hash(row: Mapping[str, Any] | sa.RowMapping) -> str:
    """What a row of the chain has as its `hash`: of all it says, and of the hash of the row before."""
    return digest_json({name: row[name] for name in ("at", "actor", "action", "subject", "detail", "previous")})


class ControlStore:
    """One short transaction a call. On SQLite every write takes the lock at BEGIN, so none can deadlock."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.engine = open_engine(url)

    def create_tables(self) -> None:
        """Make the tables of an empty database; of a store that is there, see that its schema is this code's. One query then.

        Safe to call from many processes at once. Raises NotReadyError for a store of an earlier release, which `slipstream
        upgrade` migrates, and PermanentError for one of a later release.
        """
        for attempt in range(ATTEMPTS):
            try:
                with self.explaining():
                    number = stored(self.engine)
                    if number is None:
                        self._create()
                        number = stored(self.engine)
                break
            except TransientError as error:  # another one was making it
                if attempt == ATTEMPTS - 1 or isinstance(error, StorageFullError):
                    raise
                time.sleep(0.2 * (attempt + 1))
        if number is not None and (refused := refusal(self.url, number)) is not None:
            raise refused

    def _create(self) -> None:
        with self.engine.begin() as connection:
            create(connection, metadata)

    @contextmanager
    def transaction(self) -> Iterator[sa.Connection]:
        with self.explaining(), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def explaining(self) -> Iterator[None]:
        """What the database raises, as one of our errors; what a caller's own statement broke, as it is."""
        try:
            yield
        except (OperationalError, InterfaceError) as error:
            raise explained(self.url, error) from error
        except DatabaseError as error:  # of the callers' own making, unless the server refuses us: a right that is lacking
            if isinstance(explanation := explained(self.url, error), PermanentError):
                raise explanation from error
            raise

    # -- fencing -------------------------------------------------------------------------------------

    def take(self, resource: str, holder: str) -> int:
        """Become the holder of a resource; returns the epoch. Every earlier holder is fenced off."""
        with self.transaction() as connection:
            epoch = _bump(connection, resource, holder)
        fault.point("control.taken")
        return epoch

    def fence(self, connection: sa.Connection, resource: str, epoch: int) -> None:
        """Inside a transaction: refuse if someone took the resource after `epoch`."""
        query = sa.select(fences.c.epoch, fences.c.holder).where(fences.c.resource == resource)
        if connection.dialect.name == "postgresql":
            query = query.with_for_update()
        row = connection.execute(query).first()
        if row is None and epoch:  # of a store that was restored: whoever took it before, in the store that is gone
            row = connection.execute(sa.select(fences.c.epoch, fences.c.holder).where(fences.c.resource == FLOOR)).first()
        if row is not None and row.epoch > epoch:
            raise FencedError(
                f"{resource} was taken over by {row.holder} (epoch {row.epoch}); this attempt holds epoch {epoch}.",
                safe="this attempt changed nothing.",
                hint="none: the newer attempt does the work.",
            )

    # -- effects -------------------------------------------------------------------------------------

    def once(
        self, key: str, resource: str, epoch: int, effect: Callable[[sa.Connection], Mapping[str, Any]]
    ) -> tuple[dict[str, Any], bool]:
        """Run `effect` in one transaction with its idempotency key: it happens once, ever.

        Returns its result and whether it happened now. Raises FencedError for a late holder.
        """
        fault.point("control.once.begin")
        with self.transaction() as connection:
            if connection.dialect.name == "postgresql":  # a second caller waits here, then finds the first one's result
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtextextended(key, 0))))
            known = connection.execute(sa.select(effects.c.result).where(effects.c.key == key)).first()
            if known is not None:
                return dict(known.result), False
            self.fence(connection, resource, epoch)
            result = effect(connection)
            connection.execute(effects.insert().values(key=key, resource=resource, epoch=epoch, result=result, at=timestamp()))
            fault.point("control.once.effect")
        fault.point("control.once.committed")
        return dict(result), True

    def effect(self, key: str) -> dict[str, Any] | None:
        with self.transaction() as connection:
            row = connection.execute(sa.select(effects.c.result).where(effects.c.key == key)).first()
            return dict(row.result) if row else None

    # -- audit ---------------------------------------------------------------------------------------

    def append_audit(self, connection: sa.Connection, actor: str, action: str, subject: str, detail: dict[str, Any]) -> None:
        """Add a row to the chain, in the caller's transaction."""
        if connection.dialect.name == "postgresql":
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(7531)"))  # one writer at a time
        last = connection.execute(sa.select(audit.c.seq, audit.c.hash).order_by(audit.c.seq.desc()).limit(1)).first()
        previous = last.hash if last else "0" * 64
        row = {"at": timestamp(), "actor": actor, "action": action, "subject": subject, "detail": detail, "previous": previous}
        connection.execute(audit.insert().values(seq=(last.seq if last else 0) + 1, hash=audit_hash(row), **row))

    def broken_audit_rows(self) -> list[int]:
        """Sequence numbers at which the chain does not hold. Empty: nobody edited history."""
        broken, previous = [], "0" * 64
        with self.transaction() as connection:
            for row in connection.execute(sa.select(audit).order_by(audit.c.seq)).mappings():
                if row["previous"] != previous or row["hash"] != audit_hash(row):
                    broken.append(row["seq"])
                previous = row["hash"]
        return broken


def _bump(connection: sa.Connection, resource: str, holder: str) -> int:
    values = {"holder": holder, "at": timestamp()}
    changed = connection.execute(fences.update().where(fences.c.resource == resource).values(epoch=fences.c.epoch + 1, **values))
    if changed.rowcount == 0:
        try:
            with connection.begin_nested():
                connection.execute(fences.insert().values(resource=resource, epoch=_floor(connection) + 1, **values))
        except SqlIntegrityError:  # another holder was first by a hair
            connection.execute(fences.update().where(fences.c.resource == resource).values(epoch=fences.c.epoch + 1, **values))
    epoch = connection.execute(sa.select(fences.c.epoch).where(fences.c.resource == resource)).scalar_one()
    return int(epoch)


def _floor(connection: sa.Connection) -> int:
    """The epoch that every holder of before the store was restored stays below; 0 in a store that never was."""
    return int(connection.execute(sa.select(fences.c.epoch).where(fences.c.resource == FLOOR)).scalar() or 0)

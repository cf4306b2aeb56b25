"""Registering a version exactly once, and keeping the registry's labels equal to the control store.

The control store decides: a version exists when its row does. The registry holds the files and shows the
labels. A kill between the two leaves an orphan in the registry, which the next try finds by its key.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import sqlalchemy as sa

from include.core import fault
from include.core.adapters import adapter
from include.core.control import ControlStore
from include.core.errors import ConflictError, SlipstreamError, TransientError
from include.core.given_up import given_up_of, place_of
from include.core.request import Json
from include.core.settings import Settings
from include.core.time import timestamp
from include.governance.labels import ALIASES as ALIASES
from include.governance.mirror import mirror as mirror
from include.governance.mirror import note
from include.governance.package import Package
from include.governance.semver import next_version
from include.rollout_state.queries import challenger
from include.versions import queries as known
from include.versions.gate import offered_in
from include.versions.given_up import one, require_kept, require_kept_in
from include.versions.lifecycle import move_in, stage_in
from include.versions.record import Stage, VersionRecord
from include.versions.store import add_in, rewrite_in

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Published:
    version: int
    run_id: str


class Registry(Protocol):
    """The port. Every method is idempotent; all raise UnreachableError."""

    def publish(self, package: Package) -> Published:
        """Store a version, or return the one stored under the package's key.

        Not safe against itself: the caller holds the model's lock (include.core.advisory_lock).
        """

    def withdraw(self, model: str, version: int) -> None:
        """Remove a version that lost a race. Silent if it is gone."""

    def set_stage(self, model: str, version: int, stage: Stage) -> None:
        """Tag one version with its stage, and move the alias of that stage to it."""

    def mirror(self, model: str, records: Sequence[VersionRecord], aliases: Mapping[str, int]) -> None:
        """Make tags (stage, semver, gate) and aliases exactly these; writes only what differs.

        Raises DataError where the registry lacks the model, or a version that an alias should name: the rest is shown.
        """

    def url(self, record: VersionRecord) -> str:
        """Where a person looks at the run that a version came from."""


def open_registry(settings: Settings, control: ControlStore) -> Registry:
    """The registry that the settings name. Raises UnreachableError when it is used, not here."""
    opener: Callable[[Settings, ControlStore], Registry] = adapter(f"registry.{settings.registry}")
    return opener(settings, control)


def resource(model: str) -> str:
    """The fenced resource of a model's registrations: `with exclusive(control, resource(model), holder) as epoch`."""
    return f"registry/{model}"


def register(control: ControlStore, registry: Registry, package: Package, epoch: int) -> VersionRecord:
    """The version of the package's key; registers it if nobody has. Raises FencedError for a late holder.

    A version that waits for its rollout stands as its newest evaluation says: the same model, evaluated again by a gate
    that was widened, becomes a candidate. Raises DataError for one that was given up: its number is not used again, and the same
    trained result gets no other one.
    """
    record = known.find(control, package.key) or _create(control, registry, package, epoch)
    require_kept(control, package.model, record.version)
    record = _evaluated_again(control, package, record, epoch)
    fault.point("register.recorded")
    _show(control, registry, package.model)
    return record


def _show(control: ControlStore, registry: Registry, model: str) -> None:
    """The labels of the registry. Raises TransientError: the task is tried again until it answers; a version that was deleted
    there by hand is remembered, and holds up no registration."""
    try:
        mirror(control, registry, model)
    except SlipstreamError as error:
        note(control, model, error)
        if isinstance(error, TransientError):
            raise


def _require_new(control: ControlStore, package: Package) -> None:
    """Raises DataError for what was trained again only because the files of a version that was given up are gone."""
    train = package.entry.lineage.train
    if (place := place_of(train)) is None:
        return
    mark = given_up_of(package.ledger.storage, *place)
    if mark is not None and (gone := one(control, mark.model, mark.version)) is not None:
        raise gone.refusal()


def _create(control: ControlStore, registry: Registry, package: Package, epoch: int) -> VersionRecord:
    _require_new(control, package)
    with control.transaction() as connection:
        control.fence(connection, resource(package.model), epoch)
    fault.point("register.publish")
    published = _numbered_anew(control, registry, package)
    fault.point("register.published")

    def commit(connection: sa.Connection) -> dict[str, Json]:
        return _insert(control, connection, package, published).to_json()

    value, _ = control.once(package.key, resource(package.model), epoch, commit)
    record = VersionRecord.from_json(value)
    if record.version != published.version:  # only if another process took over meanwhile
        registry.withdraw(package.model, published.version)
    return record


def _numbered_anew(control: ControlStore, registry: Registry, package: Package) -> Published:
    """The package, stored under a number that no other version of ours has.

    A registry whose model was deleted by hand counts from 1 again, over numbers that routes, rollouts and the prediction log
    know. It never gives a number twice, so what is published again gets the next.
    """
    taken = {record.version for record in known.records(control, package.model) if record.entry.key != package.key}
    published = registry.publish(package)
    while published.version in taken:
        log.warning("The registry calls a new version of %s %d, which there is already: was the model deleted there? It is "
                    "published again, under the next number.", package.model, published.version)  # fmt: skip
        registry.withdraw(package.model, published.version)
        again = registry.publish(package)
        if again.version <= published.version:
            raise ConflictError(
                f"The registry gives a new version of {package.model} the number {again.version}, which another one has here.",
                seen=sorted(taken),
                safe="nothing was registered; the versions that serve are not touched: their files are in the ledger.",
                hint=f"restore the registry's entry {package.model!r} from its backup, then clear the task.",
            )
        published = again
    return published


def _evaluated_again(control: ControlStore, package: Package, record: VersionRecord, epoch: int) -> VersionRecord:
    """The record by the package's evaluation. A backfill's judges nothing.

    A version that had its rollout, or is in it, keeps its stage; its gate is remembered for whoever offers it again.
    """
    entry = package.entry
    with control.transaction() as connection:
        by_hand = record.version in offered_in(connection, entry.model)
    waits = record.stage in (Stage.STAGING, Stage.CANDIDATE) and record.version != challenger(control, entry.model)
    same = record.entry.lineage.evaluation.digest == entry.lineage.evaluation.digest
    stands = record.stage == entry.first_stage or not waits or by_hand  # a person's word outlives the same evaluation
    if entry.run_type == "backfill" or (same and stands):
        return record

    def commit(connection: sa.Connection) -> dict[str, Json]:
        lineage = replace(record.entry.lineage, evaluation=entry.lineage.evaluation)
        again = replace(record.entry, lineage=lineage, gate=entry.gate, metrics=entry.metrics, threshold=entry.threshold)
        stage = stage_in(connection, entry.model, record.version)
        require_kept_in(connection, entry.model, record.version)
        if waits and stage is record.stage:
            # One that had its rollout goes back to where it was offered from: a rollback may have to return to it.
            stage = Stage.ARCHIVED if by_hand and entry.first_stage is Stage.STAGING else entry.first_stage
            move_in(connection, entry.model, record.version, stage)
        made = replace(record, entry=again, stage=stage)
        rewrite_in(connection, made)
        detail = {"version": record.version, "from": str(record.stage), "to": str(made.stage), "gate": entry.gate.passed}
        detail |= package.said
        control.append_audit(connection, "register", "evaluate_again", entry.model, detail)
        return made.to_json()

    # The epoch is part of the key: an evaluation that was replaced may stand again after a later run.
    key = f"{entry.key}/evaluated/{epoch}/{entry.lineage.evaluation.digest[:32]}"
    value, _ = control.once(key, resource(entry.model), epoch, commit)
    return VersionRecord.from_json(value)


def _insert(control: ControlStore, connection: sa.Connection, package: Package, published: Published) -> VersionRecord:
    entry = package.entry
    semver = next_version(known.newest(connection, entry.model), entry.lineage)
    record = VersionRecord(entry, published.version, semver, entry.first_stage, published.run_id, timestamp())
    add_in(connection, record)
    commits = {"commit": entry.lineage.commit, "platform_commit": package.facts.platform_commit}
    detail = {
        "version": record.version,
        "semver": semver,
        "key": entry.key,
        "stage": str(record.stage),
        **commits,
        **package.said,
    }
    control.append_audit(connection, "register", "register", entry.model, detail)
    return record

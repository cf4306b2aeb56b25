"""A subject in what is served: published days, the table of scores, the online store, the prediction log."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from include.core import fault
from include.core.advisory_lock import exclusive
from include.core.control import ControlStore
from include.core.errors import SlipstreamError
from include.core.forgotten import Forgotten
from include.core.ledger import Ledger
from include.core.request import Ref, Result
from include.core.settings import Settings
from include.core.spec import ModelSpec, PartitionOwner
from include.core.subject import Subject
from include.data import published
from include.data.published import publish
from include.forgetting.scope import Scope
from include.online_store.store import OnlineStore
from include.prediction_log.reader import read_records
from include.prediction_log.record import PREDICTION, SHADOW, Record
from include.prediction_log.redaction import Wanted, redact, wish
from include.prediction_log.shared import SharedLog
from include.prediction_log.units import units_of
from include.scoring import table as scores

Digests = dict[str, list[str]]  # [before, after]


def publish_again(ledger: Ledger, control: ControlStore, owners: Iterable[PartitionOwner], holder: str) -> None:
    """Every published day whose result was reduced is now what is left of it, under a fence of its own: an attempt that was
    about to publish the rows again is refused."""
    for owner in (each.name for each in owners):
        for day, ref in published.published(control, owner, date.min, date.max).items():
            if (now := _left(ledger, ref)) is None:
                continue
            with exclusive(control, published.resource(owner, day), holder) as epoch:
                if published.published(control, owner, day, day).get(day) != ref:
                    continue  # published anew meanwhile, from what is there now
                publish(control, owner, day, ledger.ref(now), now.value["rows"], epoch)
            fault.point("forget.published")


def _left(ledger: Ledger, ref: Ref) -> Result | None:
    """What a result is by now; None for one in which nobody was forgotten, and for one that is to be computed anew."""
    if not ledger.forgotten(ref.uri, ref.digest):
        return None
    try:
        return ledger.resolve(ref)
    except SlipstreamError:
        return None


def scores_again(ledger: Ledger, control: ControlStore, models: Iterable[ModelSpec], holder: str) -> None:
    """The same of the table of scores."""
    for model in models:
        for standing in scores.table(control, model.name):
            if (now := _left(ledger, standing.result)) is not None:
                with exclusive(control, scores.resource(model.name, standing.day), holder) as epoch:
                    scores.publish(control, ledger, model.name, now, epoch)
                fault.point("forget.scores")


def stands_anew(control: ControlStore, scope: Scope, marks: Iterable[Forgotten]) -> tuple[Digests, Digests]:
    """Of the published days and of the table of scores those that are what these marks left, whoever has put them there: by
    owner and day, and by path."""
    results, files = dict[str, str](), dict[str, str]()
    for mark in marks:
        results[mark.after] = mark.before
        files |= {after: before for before, after in (mark.files or {}).values()}
    days = {
        f"{owner.name}/{day}": [results[ref.digest], ref.digest]
        for owner in scope.owners
        for day, ref in published.published(control, owner.name, date.min, date.max).items()
        if ref.digest in results
    }
    standing = (each for model in scope.models for each in scores.table(control, model.name))
    return days, {each.path: [files[each.digest], each.digest] for each in standing if each.digest in files}


def remove_online(store: Callable[[], OnlineStore], owners: Sequence[PartitionOwner], subject: Subject) -> dict[str, int]:
    """The subject's rows online, of every view and every version of one: {owner: rows}."""
    return {owner.name: store().remove(owner.name, _meant(owner, subject)) for owner in owners}


def _meant(owner: PartitionOwner, subject: Subject) -> Callable[[str, Sequence[str | None]], bool]:
    named = {view.name: view.keys for view in owner.features.views}

    def meant(view: str, keys: Sequence[str | None]) -> bool:
        names = named.get(view, owner.features.keys)
        if len(names) != len(keys):  # a version of before, with other keys: by the values alone
            return all(any(key is not None and subject.has(name, key) for key in keys) for name in subject.keys)
        return subject.is_in(dict(zip(names, keys, strict=True)))

    return meant


@dataclass(frozen=True)
class Logged:
    """A model's prediction log, and what in it is the subject's."""

    log: SharedLog
    settings: Settings
    spec: ModelSpec
    subject: Subject

    def units(self, given: Scope) -> set[str]:
        """What stands for the subject where its keys are not logged; empty where the request to forget has fewer keys."""
        keys = self.spec.problem.unit_keys(self.spec.features.keys)
        if not keys or not all(key in given.given for key in keys):
            return set()
        return units_of(self.settings, self.spec.name)([given.given[key] for key in keys])

    def mine(self, units: set[str]) -> Wanted:
        def mine(record: Record) -> bool:
            return record.unit in units or bool(record.entity and self.subject.is_in(record.entity))

        return mine

    def ids(self, units: set[str]) -> set[str]:
        """Of the requests about the subject."""
        mine = self.mine(units)
        return {record.id for record in read_records(self.log, self.spec.name) if record.kind == PREDICTION and mine(record)}

    def redact(self, key: bytes, units: set[str], ids: set[str]) -> int:
        """Here, in the root, and by a wish on every gateway's disk; how many records."""
        mine, name = self.mine(units), self.spec.name

        def wanted(record: Record) -> bool:
            if record.kind in (PREDICTION, SHADOW):
                return mine(record) or (not record.unit and not record.entity and self._asked(record))
            return self._asked(record)

        if ids or units:
            wish(self.log, name, key, ids, units)
            fault.point("forget.wished")
        return redact(self.log, name, wanted)

    def _asked(self, record: Record) -> bool:
        return self.subject.asked(self.spec.name, record.id)

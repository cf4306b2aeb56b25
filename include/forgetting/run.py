"""One request to forget, from the list to the proof. Killed anywhere and asked for again it goes on; done again it finds nothing.

found        whose requests and values those are is kept, as digests, before anything goes
files        raw partitions and pushed rows are written anew without the rows
results      of the ledger, each after what it was made from; who works on one meanwhile is refused when it commits
published    days and scores, under fences: an attempt that would publish the rows again is refused
served       the online store, the prediction log, answers that were kept, events that were set aside
again        all of it once more, until nothing is found: what somebody wrote in between
purged       the stores write their files anew: what was deleted is in free pages, logs and dumps until then
proof        what, where, how many rows, digests before and after; its own digest in the audit chain
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from include.core import fault
from include.core.advisory_lock import advisory_lock
from include.core.control import ControlStore
from include.core.entity_key import entity_key
from include.core.errors import ConflictError, SlipstreamError
from include.core.forgotten import RAW as RAW_MARKS
from include.core.forgotten import Forgotten, result_mark
from include.core.json_types import Json
from include.core.ledger import Ledger
from include.core.scratch import sweep_scratch
from include.core.settings import Settings
from include.core.subject import Fingerprint, Subject, is_telling
from include.data.suppression import REMOVE
from include.forgetting.control_files import files_anew
from include.forgetting.control_rows import audit_rows, clean_rows
from include.forgetting.files import asked_later, clean_registry, drop_answers, drop_events, rewrite
from include.forgetting.find import Finder, Found
from include.forgetting.graph import Graph, generations
from include.forgetting.models import Learned, learned
from include.forgetting.record import Record, begin_row
from include.forgetting.registry_server import clean_server
from include.forgetting.results import Reducer
from include.forgetting.scope import Scope
from include.forgetting.stores import Logged, publish_again, remove_online, scores_again, stands_anew
from include.online_store.store import OnlineStore
from include.prediction_log.shared import SharedLog

LOCK, GC = "forget", "gc"  # that of include/retention/run.py: what it gives up is not to be taken in hand meanwhile
PASSES = 4  # until nothing is found any more
COUNTS = ("online", "predictions", "answers", "events", "registry", "control_rows", "superseded")
NOT_REACHED = (
    "backups and copies that were carried away", "topics of Kafka and streams of Redis", "logs outside of the storage root",
    "weights of models that learned from the rows", "former versions of objects in a bucket", "free blocks of disks",
)  # fmt: skip


@dataclass(frozen=True)
class Place:
    """Where it is carried out. `now`: UTC, without zone."""

    settings: Settings
    control: ControlStore
    ledger: Ledger
    log: SharedLog
    online: Callable[[], OnlineStore]
    actor: str
    now: Callable[[], datetime]

    @property
    def key(self) -> bytes:
        return entity_key(self.settings.home, self.settings.environ)


@dataclass
class Done:
    """What came of it."""

    request: str
    found: Found
    files: list[Forgotten] = field(default_factory=list)
    results: list[Forgotten] = field(default_factory=list)
    published: dict[str, list[str]] = field(default_factory=dict)
    scores: dict[str, list[str]] = field(default_factory=dict)
    online: dict[str, int] = field(default_factory=dict)
    predictions: dict[str, int] = field(default_factory=dict)
    answers: int = 0
    events: int = 0
    registry: int = 0
    control_rows: int = 0
    superseded: int = 0
    left: list[str] = field(default_factory=list)
    """What stores keep of what was there, none of which can be found through them: in words, with what ends it."""
    attempts: int = 1
    number: int = 1
    learned: list[Learned] = field(default_factory=list)
    complete: bool = True
    proof: str = ""
    digest: str = ""

    @property
    def rows(self) -> int:
        """Of files and results, in every place where one lay."""
        return sum(each.rows for each in (*self.files, *self.results))

    @property
    def counts(self) -> dict[str, Json]:
        """What was taken out of stores, which nothing there tells afterwards."""
        return {name: getattr(self, name) for name in COUNTS}

    @property
    def again(self) -> bool:
        """Whether it was carried out before, and this time there was nothing: rows are those of all times."""
        taken = (each if isinstance(each, int) else sum(each.values()) for each in (getattr(self, name) for name in COUNTS))
        return self.number > 1 and self.attempts == 1 and not self.found.rows and not any(taken) and self.anything

    @property
    def anything(self) -> bool:
        return bool(
            self.rows
            or self.results
            or any(self.online.values())
            or any(self.predictions.values())
            or self.answers
            or self.events
        )


def look(place: Place, scope: Scope) -> tuple[Found, list[Learned]]:
    """What would go: a dry run. Of the stores that are served nothing is looked at."""
    subject = Subject.of(Fingerprint(place.key), scope.given)
    graph = Graph.of(place.ledger, scope.names)
    found = Finder(place.ledger, scope, subject, ids=True).find(graph)
    return found, learned(place.control, graph, found.results)


def forget(place: Place, scope: Scope, *, mode: str, reason: str) -> Done:
    """Carry it out. Raises ConflictError while another one, or a gc, is at work, and SpecError where nothing says whose rows of a
    source are; both before anything is changed."""
    subject = Subject.of(Fingerprint(place.key), scope.given)
    subject.by_id = mode == REMOVE
    with _alone(place.control):
        record = Record.of(place.ledger.storage, subject, scope.owners[0].name, mode)
        graph = Graph.of(place.ledger, scope.names)
        finder = Finder(place.ledger, scope, subject, ids=mode != REMOVE)
        first = finder.find(graph)
        begin_row(place.control, place.actor, scope.owners[0].name, record, sorted(scope.given), mode, reason)
        asked = {"owners": sorted(scope.names), "named": scope.owners[0].name, "names": sorted(scope.given), "mode": mode}
        record.begin({**asked, "reason": reason, "by": place.actor}, subject, place.now())
        fault.point("forget.begun")
        place.ledger.storage.sweep("")  # what killed writers left beside their files, and in their scratch
        sweep_scratch(place.settings.scratch())
        return _Run(place, scope, subject, record, mode).carry_out(graph, first, reason)


@contextmanager
def _alone(control: ControlStore) -> Iterator[None]:
    for name in (LOCK, GC):
        with advisory_lock(control, name, timeout=0.1, file=name) as alone:
            if not alone:
                raise ConflictError(
                    f"Another slipstream {name} is at work.", safe="nothing was changed.", hint="wait until it is done."
                )
    with advisory_lock(control, LOCK, timeout=1, file=LOCK) as one, advisory_lock(control, GC, timeout=1, file=GC) as other:
        if not (one and other):
            raise ConflictError("Another slipstream forget or gc is at work.", safe="nothing was changed.", hint="wait for it.")
        yield


@dataclass
class _Run:
    place: Place
    scope: Scope
    subject: Subject
    record: Record
    mode: str

    def carry_out(self, graph: Graph, found: Found, reason: str) -> Done:
        done = Done(self.record.name, found, **self.record.counts, attempts=self.record.attempts, number=self.record.number)
        for number in range(PASSES):
            if number:
                graph = Graph.of(self.place.ledger, self.scope.names)
                found = Finder(self.place.ledger, self.scope, self.subject, ids=self.mode != REMOVE).find(graph)
                done.found = replace(done.found, unread=found.unread)
            units = self._requests()
            self.record.note(self.subject, done.counts)
            fault.point("forget.found")
            self._files(found)
            self._results(graph, found, done)
            self._served(units, done)
            if number and not found.rows:
                break
        self._server(done)
        done.complete = not found.rows and not done.found.unread
        self._purge(done)
        self._account(done)
        return self._prove(done, reason)

    def _requests(self) -> dict[str, tuple[Logged, set[str], set[str]]]:
        """What of each model's prediction log is the subject's; its ids are noted."""
        found = {}
        for spec in self.scope.models:
            logged = Logged(self.place.log, self.place.settings, spec, self.subject)
            units = logged.units(self.scope)
            ids = logged.ids(units)
            found[spec.name] = logged, units, ids
            self.subject.note(spec.name, ids)
            self.subject.own(each for each in ids if is_telling(each))
        for model, id in asked_later(self.place.ledger.storage, self.scope.names, self.subject):
            self.subject.note(model, [id])
        return found

    def _files(self, found: Found) -> None:
        for path in found.files:
            columns = self.scope.columns(path.split("/")[1], raw=path.startswith("raw/"))
            rewrite(self.place.ledger.storage, path, columns, self.subject, self.record.name, self.mode)

    def _results(self, graph: Graph, found: Found, done: Done) -> None:
        reducer = Reducer(self.place.ledger, self.subject, self.scope, self.record.name, self.mode)
        touched = {*found.results, *self._touched(graph)}
        derived = graph.from_any({*touched, *(key for key in graph.order if not graph.inputs[key])} if found.rows else touched)
        made_from = graph.from_any(touched) - touched
        for key in graph.order:
            reducer.reduce(graph, key, key in made_from)
        done.superseded += reducer.supersede(graph, derived) if found.rows or touched else 0
        self.record.count(self.subject, done.counts)
        fault.point("forget.results")
        publish_again(self.place.ledger, self.place.control, self.scope.owners, f"forget {self.record.name}")
        scores_again(self.place.ledger, self.place.control, self.scope.models, f"forget {self.record.name}")

    def _touched(self, graph: Graph) -> Iterator[str]:
        """Keys of which this request has reduced a result, now or before it was cut off."""
        for key in graph.order:
            if any(mark.request == self.record.name for mark in self._marks(key)):
                yield key

    def _marks(self, key: str) -> Iterator[Forgotten]:
        ledger = self.place.ledger
        found = (Forgotten.read(ledger.storage, result_mark(key, each)) for each in generations(ledger, key))
        yield from (mark for mark in found if mark is not None)

    def _served(self, units: Mapping[str, tuple[Logged, set[str], set[str]]], done: Done) -> None:
        storage = self.place.ledger.storage
        for owner, count in remove_online(self.place.online, self.scope.owners, self.subject).items():
            done.online[owner] = done.online.get(owner, 0) + count
        self.record.count(self.subject, done.counts)
        fault.point("forget.online")
        for model, (logged, hashes, ids) in units.items():
            done.predictions[model] = done.predictions.get(model, 0) + logged.redact(self.place.key, hashes, ids)
        self.record.count(self.subject, done.counts)
        fault.point("forget.predictions")
        models = [spec.name for spec in self.scope.models]
        done.answers += drop_answers(storage, models, self.subject)
        done.events += drop_events(storage, self.scope.names, self.subject)
        done.control_rows += clean_rows(self.place.control, self.subject)
        done.registry += clean_registry(storage, models, self.subject)
        self.record.count(self.subject, done.counts)

    def _server(self, done: Done) -> None:
        """Where it does not answer the rest is done all the same, and the request is not complete."""
        try:
            changed, done.left = clean_server(self.place.settings, [spec.name for spec in self.scope.models], self.subject)
            done.registry += changed
        except SlipstreamError as error:
            done.found.unread["the registry's server"] = error.what
        self.record.count(self.subject, done.counts)

    def _purge(self, done: Done) -> None:
        """Nothing of it is in a store any more: now the files below them."""
        done.left += self.place.online().purge()
        done.left += files_anew(self.place.control)
        if rows := audit_rows(self.place.control, self.subject):
            shown = ", ".join(map(str, rows[:20]))
            done.left.append(f"rows {shown} of the audit chain, where a reason or an error quotes it: the chain stays as it is.")
        fault.point("forget.purged")

    def _account(self, done: Done) -> None:
        """All that this request did, also before it was cut off: its marks say it."""
        storage, graph = self.place.ledger.storage, Graph.of(self.place.ledger, self.scope.names)
        marks = (Forgotten.read(storage, path) for path in storage.list(RAW_MARKS))
        done.files = [mark for mark in marks if mark is not None and mark.request == self.record.name]
        done.results = [mark for key in graph.order for mark in self._marks(key) if mark.request == self.record.name]
        done.published, done.scores = stands_anew(self.place.control, self.scope, done.results)
        done.learned = learned(self.place.control, graph, set(self._touched(graph)))

    def _prove(self, done: Done, reason: str) -> Done:
        proof: dict[str, Json] = {
            "request": done.request, "number": self.record.number, "attempts": done.attempts,
            "owners": sorted(self.scope.names), "keys": sorted(self.scope.given), "mode": self.mode,
            "reason": reason, "by": self.place.actor, "at": self.place.now().isoformat(), "complete": done.complete,
            "rows": done.rows, "files": [_line(mark) for mark in done.files], "results": [_line(mark) for mark in done.results],
            "published": dict(done.published), "scores": dict(done.scores), **done.counts,
            "learned": [each.to_json() for each in done.learned], "unread": dict(done.found.unread),
            "left": list(done.left), "not_reached": list(NOT_REACHED),
        }  # fmt: skip
        done.proof, done.digest = self.record.prove(
            self.place.control, self.place.actor, self.scope.owners[0].name, self.subject, proof
        )
        return done


def _line(mark: Forgotten) -> dict[str, Any]:
    files = {"files": mark.files} if mark.files else {}
    return {"path": mark.path, "before": mark.before, "after": mark.after, "rows": mark.rows, "at": mark.at, **files}

"""A subject's rows in the results of the ledger: the next generation of the key holds what is left, and the one before goes.

    1  the next generation is open       whoever works on the one before is refused when it commits
    2  what is left is committed there
    3  forgotten.json                    references to the one before lead to what is left
    4  its result, then its files go

Each is one exclusive create or one delete of what the step before has closed: killed between any two, the same is done again and
finds what is there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from include.core import fault
from include.core.forgotten import Forgotten, result_mark
from include.core.ledger import Ledger
from include.core.request import Outcome, Request, Result
from include.core.scratch import scratch_folder
from include.core.subject import Subject
from include.core.time import timestamp
from include.data.subject_rows import Columns, masked, rows_of, without, written
from include.data.suppression import REMOVE
from include.forgetting import background
from include.forgetting.find import RAW
from include.forgetting.graph import ANEW, Graph, generations
from include.forgetting.scope import Scope
from include.forgetting.tables import read, scrubbed, scrubbed_text, scrubbed_value, wanted
from include.forgetting.texts import is_text

_SAID = re.compile(r"attempt-\d+\.(end|error)\.json")
COUNTED = frozenset({"training_set", "score"})  # steps whose value has one number of the rows in all files
GIVEN_UP = ("checkpoints", "rows")  # of a training: what it would go on from, which holds rows or what was learned of them


@dataclass
class Reduced:
    """One result: how many rows and single values went, by file; whether it is to be made anew instead."""

    rows: dict[str, int] = field(default_factory=dict)
    values: int = 0
    files: dict[str, Path] = field(default_factory=dict)
    value: Mapping[str, Any] = field(default_factory=dict)

    @property
    def changed(self) -> bool:
        return bool(self.rows) or bool(self.values)


@dataclass(frozen=True)
class Reducer:
    """Takes a subject out of results. `mode`: whether rows go, or stay without their keys. `request`: its name."""

    ledger: Ledger
    subject: Subject
    scope: Scope
    request: str
    mode: str

    def reduce(self, graph: Graph, key: str, derived: bool) -> list[Forgotten]:
        """All generations of a key; what went. `derived`: whether it was made from something that held the subject's rows."""
        request, found = graph.requests[key], []
        for generation in generations(self.ledger, key):
            result = self.ledger.result(key, generation)
            if result is not None and (mark := self._reduce(request, result, derived)) is not None:
                found.append(mark)
            self._finish(key, generation)
        return found

    def _reduce(self, request: Request, result: Result, derived: bool) -> Forgotten | None:
        mark = result_mark(result.key, result.generation)
        if (kept := Forgotten.read(self.ledger.storage, mark)) is not None:
            return kept  # cut off after the third step
        with scratch_folder() as scratch:
            if derived and request.step in ANEW and self.mode == REMOVE and not self._is_ours(result):
                made, rows = None, 0
            else:
                left = self.left_of(request, result, scratch, derived=derived)
                if not left.changed:
                    return None
                made, rows = left, sum(left.rows.values())
            token = f"forget:{self.request}:g{result.generation}:{result.digest[:12]}"
            generation = self.ledger.open_generation(result.key, token, f"a subject is forgotten by request {self.request}")
            fault.point("forget.result.opened")
            again = self._commit(request, result, generation, made) if made is not None else None
            fault.point("forget.result.committed")
        files = {} if again is None else {
            name: [file.digest, again.files[name].digest] for name, file in result.files.items()
            if name in again.files and again.files[name].digest != file.digest
        }  # fmt: skip
        after = again.digest if again is not None else ""
        at = again.committed_at if again is not None else timestamp()
        made_mark = Forgotten(self.request, result.digest, after, rows, at, result.path, generation, files)
        made_mark.keep(self.ledger.storage, mark)
        fault.point("forget.result.marked")
        return made_mark

    def _is_ours(self, result: Result) -> bool:
        """Whether it was made anew since this request gave up the one before."""
        marks = (Forgotten.read(self.ledger.storage, result_mark(result.key, each)) for each in range(result.generation))
        return any(mark is not None and mark.request == self.request and mark.generation == result.generation for mark in marks)

    def _commit(self, request: Request, result: Result, generation: int, made: Reduced) -> Result:
        attempt = self.ledger.open_attempt(result.key, generation)
        return self.ledger.commit(request, attempt, Outcome(made.value, made.files), result.seconds, result.cpu_seconds)

    def _finish(self, key: str, generation: int) -> None:
        """The fourth step, of a result that has its mark."""
        if Forgotten.read(self.ledger.storage, result_mark(key, generation)) is None:
            return
        folder = f"ledger/{key}/g{generation}"
        self.ledger.storage.delete(f"{folder}/result.json")
        fault.point("forget.result.gone")
        for path in list(self.ledger.storage.list(folder)):
            name = path.removeprefix(f"{folder}/")
            if "/" in name:
                self.ledger.storage.delete(path)
                fault.point("forget.result.file")

    # -- what is left --------------------------------------------------------------------------------------------------------

    def left_of(self, request: Request, result: Result, scratch: Path, *, derived: bool) -> Reduced:
        """The files and the value without the subject. Raises DataError for a file that cannot be read."""
        made, columns = Reduced(), self.scope.columns(request.model, raw=request.step in RAW)
        for name in sorted(result.files):
            folder = scratch / "read" / str(len(made.files))
            folder.mkdir(parents=True)
            local = self.ledger.fetch(result, name, folder)
            target = scratch / "made" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            made.files[name] = target if self._without(columns, name, local, target, made) else local
        if derived and background.FILE in made.files and self.mode == REMOVE:
            self._without_drawn(request, made, scratch)
        value, count = scrubbed_value(counted(request, result, made.rows if self.mode == REMOVE else {}), self.subject)
        made.value, made.values = value, made.values + count
        return made

    def _without_drawn(self, request: Request, made: Reduced, scratch: Path) -> None:
        """Rows of the training set without a key: those that are in what is left of it."""
        data = self.ledger.resolve(request.inputs["training_set"])
        (scratch / "known").mkdir()
        training = [self.ledger.fetch(data, "train.parquet", scratch / "known")]
        rows, gone = background.left_of(made.files[background.FILE], training)
        if gone:
            target = scratch / "made" / background.FILE
            target.write_bytes(written(rows, pq.read_metadata(made.files[background.FILE])))
            made.rows[background.FILE] = gone
            made.files[background.FILE] = target
        if not rows.num_rows:
            del made.files[background.FILE]  # then answers are not explained, and say so

    def _without(self, columns: Columns, name: str, local: Path, target: Path, made: Reduced) -> bool:
        if name.endswith(".parquet"):
            return self._without_rows(columns, name, local, target, made)
        if not is_text(name):
            return False
        text, count = scrubbed_text(name, local.read_text(errors="surrogateescape"), self.subject)
        if count:
            target.write_text(text, errors="surrogateescape")
        made.values += count
        return bool(count)

    def _without_rows(self, columns: Columns, name: str, local: Path, target: Path, made: Reduced) -> bool:
        if wanted(local, columns, self.subject) is not None:
            table = read(local)
            mask = rows_of(table, columns, self.subject)
            assert mask is not None  # it was there a moment ago
            made.rows[name] = pc.sum(mask).as_py()
            left = without(table, mask) if self.mode == REMOVE else masked(table, mask, columns, self.subject)
            target.write_bytes(written(left, pq.read_metadata(local)))
            return True
        if columns.places(pq.read_schema(local).names):
            return False  # others' rows: what they have is theirs
        table, count = scrubbed(read(local), self.subject)
        if count:
            target.write_bytes(written(table, pq.read_metadata(local)))
        made.values += count
        return bool(count)

    # -- work that is under way ----------------------------------------------------------------------------------------------

    def supersede(self, graph: Graph, keys: Iterable[str]) -> int:
        """Attempts that may have read the subject's rows are refused when they commit, and begin anew; how many keys. What
        trainings would go on from is removed, of all generations: it was made of them."""
        count = 0
        for key in sorted(keys):
            newest = self.ledger.generation(key)
            if self.ledger.result(key, newest) is None and self._begun(key, newest):
                token = f"forget:{self.request}:open:g{newest}"
                self.ledger.open_generation(key, token, f"a subject is forgotten by request {self.request}")
                count += 1
            for generation in generations(self.ledger, key):
                self._clear_away(key, generation)
        return count

    def _begun(self, key: str, generation: int) -> bool:
        """Whether an attempt is under way, or has left files that it did not commit."""
        return self.ledger.live_attempt(key, generation) is not None or bool(self.ledger.outputs(key, generation))

    def _clear_away(self, key: str, generation: int) -> None:
        folder = f"ledger/{key}/g{generation}"
        for name in GIVEN_UP:
            self.ledger.storage.delete(f"{folder}/{name}")
        if generation < self.ledger.generation(key) and self.ledger.result(key, generation) is None:
            for path in self.ledger.outputs(key, generation):  # of attempts that were killed, or may not commit any more
                self.ledger.storage.delete(path)
        for path in list(self.ledger.storage.list(folder)):
            if _SAID.fullmatch(path.rpartition("/")[2]):
                text, count = scrubbed_text(path, self.ledger.storage.read(path).decode(), self.subject)
                if count:
                    self.ledger.storage.write(path, text.encode())


def counted(request: Request, result: Result, gone: Mapping[str, int]) -> dict[str, Any]:
    """A result's value with the number of rows that there are now: of a day's datasets, a training set's parts, a batch."""
    value, by_dataset = dict(result.value), {name.removesuffix(".parquet"): count for name, count in gone.items()}
    rows = value.get("rows")
    if isinstance(rows, dict):
        value["rows"] = {
            name: count - by_dataset.get(name, 0) if isinstance(count, int) else count for name, count in rows.items()
        }
    elif isinstance(rows, int) and request.step in COUNTED:
        value["rows"] = rows - sum(by_dataset.values())
        if isinstance(value.get("holdout_rows"), int):
            value["holdout_rows"] -= by_dataset.get("holdout", 0)
    return value

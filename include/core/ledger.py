"""The ledger: what was computed, by which attempt, and the proof that its bytes are still those bytes.

    ledger/{step}/{digest}/request.json
                          g{generation}/open.json          who asked for this generation, and why
                                        attempt-{n}.json   written before its job is submitted
                                        attempt-{n}.end.json   why it ended without a result
                                        a{n}/{digest}/...  its output files
                                        checkpoints/...    shared by the generation's attempts
                                        metrics/...        likewise: include.training.spool
                                        result.json        last of all; the first commit wins
                                        collected.json     given up by `slipstream gc`: include/retention/lifecycle.py
                                        forgotten.json     a subject's rows are gone: include/core/forgotten.py
                                        given_up.json      its version was given up: include/core/given_up.py

Every race is decided by one exclusive create. Nothing is ever rewritten.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from include.core import fault
from include.core.digest import canonical_json, digest_bytes, digest_file
from include.core.errors import DataError, IntegrityError, SlipstreamError, SupersededError, fields_of, of_fields
from include.core.forgotten import Forgotten, result_mark
from include.core.given_up import CLEARED, refusal
from include.core.housekeeping import housekeeping
from include.core.request import Outcome, Ref, Request, Result, StoredFile, relative
from include.core.scratch import scratch_folder
from include.core.storage import Storage
from include.core.time import instant, timestamp
from include.core.versioned import Format

REQUEST, RESULT, MARK = Format("a request of the ledger"), Format("a result of the ledger"), Format("a mark of the ledger")
_RESULT = re.compile(r"ledger/([^/]+/[^/]+)/g\d+/result\.json")
_OUTPUT = re.compile(r"a\d+/[0-9a-f]{12}/.+")


@dataclass(frozen=True)
class Attempt:
    """One try at one generation of a key. `job` is the name its job carries in every backend."""

    key: str
    generation: int
    number: int

    @property
    def folder(self) -> str:
        return f"ledger/{self.key}/g{self.generation}"

    @property
    def job(self) -> str:
        step, _, digest = self.key.partition("/")
        return f"slip-{step}-{digest[:20]}-g{self.generation}-a{self.number}".replace("_", "-")

    @property
    def checkpoints(self) -> str:
        return f"{self.folder}/checkpoints"

    @property
    def metrics(self) -> str:
        return metrics_folder(self.key, self.generation)


@dataclass(frozen=True)
class Tried:
    """An attempt as its marks tell it. `machine`: what it was given, as `open_attempt` was told; empty where nobody said.
    `ended`: when it was said to be over without a result, and `reason` why."""

    number: int
    opened: datetime
    machine: Mapping[str, Any]
    ended: datetime | None = None
    reason: str = ""


def metrics_folder(key: str, generation: int) -> str:
    """Where a training's metrics wait for the tracking server: a log shared by the generation's attempts."""
    return f"ledger/{key}/g{generation}/metrics"


def collected_mark(key: str, generation: int) -> str:
    """What says of a generation that it was given up. It stays: a generation that was collected is never worked on again."""
    return f"ledger/{key}/g{generation}/collected.json"


class Ledger:
    def __init__(self, storage: Storage) -> None:
        self.storage = storage

    # -- requests ------------------------------------------------------------------------------------

    def record(self, request: Request) -> None:
        """Write the request beside its results, for lineage. Idempotent."""
        self.storage.create(f"ledger/{request.key}/request.json", canonical_json(REQUEST.stamp(request.to_json())))

    def request(self, key: str) -> Request:
        return Request.from_json(self._json(f"ledger/{key}/request.json", REQUEST))

    def requested(self, step: str = "") -> Iterator[str]:
        """Every key that was asked for, of one step if it is given; sorted."""
        for path in self.storage.list(f"ledger/{step}" if step else "ledger"):
            if path.endswith("/request.json"):
                yield path.removeprefix("ledger/").removesuffix("/request.json")

    # -- generations ---------------------------------------------------------------------------------

    def generation(self, key: str) -> int:
        """The newest open generation: 0 until somebody asks for a fresh one."""
        return max((number for number, _ in self._generations(key)), default=0)

    def current(self, key: str) -> int:
        """The generation to work on: the newest one. Where `slipstream gc` has given that up, a new one is opened, and what was
        removed is computed anew."""
        number = self.generation(key)
        while self.is_collected(key, number):
            number = self.open_generation(key, f"collected:g{number}", CLEARED)
        return number

    def is_collected(self, key: str, generation: int) -> bool:
        """Whether nobody may begin to work on a generation, or to use its result: it is being removed, or is gone."""
        return self.storage.exists(collected_mark(key, generation))

    def open_generation(self, key: str, token: str, reason: str) -> int:
        """Open a new generation for `token`, or return the one that token has opened before, unless it was collected since."""
        while True:
            known = dict(self._generations(key))
            mine = [number for number, opened in known.items() if opened == token and not self.is_collected(key, number)]
            if mine:
                return mine[0]
            number = max(known, default=0) + 1
            body = {"token": token, "reason": reason, "at": timestamp()}
            if self.storage.create(f"ledger/{key}/g{number}/open.json", canonical_json(MARK.stamp(body))):
                return number

    def _generations(self, key: str) -> Iterator[tuple[int, str]]:
        number = 1
        while self.storage.exists(f"ledger/{key}/g{number}/open.json"):
            yield number, self._json(f"ledger/{key}/g{number}/open.json")["token"]
            number += 1

    # -- attempts ------------------------------------------------------------------------------------

    def open_attempt(self, key: str, generation: int, machine: Mapping[str, Any] | None = None) -> Attempt:
        """The live attempt of a generation; opens the next one if the last has ended.

        Of any number of callers one creates it and all get the same one. `machine`: what it is given, kept for what it cost.
        """
        attempt = self._next(key, generation)
        fault.point("ledger.attempt.open")
        mark = MARK.stamp({"job": attempt.job, "at": timestamp(), **({"machine": dict(machine)} if machine else {})})
        self.storage.create(f"{attempt.folder}/attempt-{attempt.number}.json", canonical_json(mark))
        fault.point("ledger.attempt.opened")
        return attempt

    def live_attempt(self, key: str, generation: int) -> Attempt | None:
        """The attempt that `open_attempt` would return, if somebody has opened it already."""
        attempt = self._next(key, generation)
        return attempt if self.storage.exists(f"{attempt.folder}/attempt-{attempt.number}.json") else None

    def opened_at(self, attempt: Attempt) -> datetime | None:
        """When an attempt was opened, in UTC; None where there is no such attempt."""
        try:
            return instant(self._json(f"{attempt.folder}/attempt-{attempt.number}.json")["at"])
        except FileNotFoundError:
            return None

    def _next(self, key: str, generation: int) -> Attempt:
        """The first attempt that has not ended, whether it was opened or not."""
        number = 1
        while self.storage.exists(f"ledger/{key}/g{generation}/attempt-{number}.end.json"):
            number += 1
        return Attempt(key, generation, number)

    def end_attempt(self, attempt: Attempt, reason: str) -> None:
        """Say that an attempt is over without a result; the next `open_attempt` opens another."""
        body = {"reason": reason[:4000], "at": timestamp()}
        self.storage.create(f"{attempt.folder}/attempt-{attempt.number}.end.json", canonical_json(MARK.stamp(body)))

    def ended(self, key: str, generation: int) -> list[str]:
        """Reasons of the attempts that ended without a result, first to last."""
        reasons: list[str] = []
        folder = f"ledger/{key}/g{generation}"
        while self.storage.exists(f"{folder}/attempt-{len(reasons) + 1}.end.json"):
            reasons.append(str(self._json(f"{folder}/attempt-{len(reasons) + 1}.end.json")["reason"]))
        return reasons

    def tried(self, key: str, generation: int) -> list[Tried]:
        """Every attempt that was opened, first to last, ended or not."""
        found: list[Tried] = []
        folder = f"ledger/{key}/g{generation}"
        while self.storage.exists(f"{folder}/attempt-{len(found) + 1}.json"):
            path = f"{folder}/attempt-{len(found) + 1}"
            mark, over = self._json(f"{path}.json"), self.storage.exists(f"{path}.end.json")
            end = self._json(f"{path}.end.json") if over else {}
            ended = instant(end["at"]) if end else None
            found.append(Tried(len(found) + 1, instant(mark["at"]), mark.get("machine", {}), ended, str(end.get("reason", ""))))
        return found

    def record_error(self, attempt: Attempt, error: SlipstreamError) -> None:
        """Keep the error a job died of: the task that waits for it raises it as it was."""
        body = MARK.stamp(fields_of(error))
        self.storage.create(f"{attempt.folder}/attempt-{attempt.number}.error.json", canonical_json(body))

    def error(self, attempt: Attempt) -> SlipstreamError | None:
        """The error recorded for an attempt, if its job wrote one."""
        path = f"{attempt.folder}/attempt-{attempt.number}.error.json"
        if not self.storage.exists(path):
            return None
        return of_fields(self._json(path))

    # -- results -------------------------------------------------------------------------------------

    def commit(
        self, request: Request, attempt: Attempt, outcome: Outcome, seconds: float, cpu_seconds: float | None = None
    ) -> Result:
        """Store the files, then `result.json`. If a result is there already, that one is returned.

        `cpu_seconds`: of the process and of those that it waited for.

        Raises SupersededError when a newer generation of the key was opened meanwhile.
        """
        newest = self.generation(request.key)
        if attempt.generation < newest:
            raise SupersededError(
                f"Generation {attempt.generation} of {request.key} is no longer wanted: generation {newest} was opened.",
                safe="nothing was written; the newer generation's result stands.",
                hint="none: the task that opened the newer generation finishes by itself.",
            )
        path = f"{attempt.folder}/result.json"
        if not self.storage.exists(path):
            files = {name: self._store(attempt, name, local) for name, local in sorted(outcome.files.items())}
            spent = round(seconds, 3), timestamp(), None if cpu_seconds is None else round(cpu_seconds, 3)
            result = Result(request.key, attempt.generation, attempt.number, outcome.value, files, *spent)
            fault.point("ledger.commit.stored")
            self.record(request)
            self.storage.create(path, canonical_json(RESULT.stamp(result.to_json())))
            fault.point("ledger.commit.recorded")
        self.sweep(request.key, attempt.generation)
        return self._result(path)

    def sweep(self, key: str, generation: int) -> None:
        """Remove what nothing points to in a generation: what killed attempts left, and outputs that lost the race."""
        with housekeeping(f"leftovers of {key}"):
            self._sweep(key, generation)

    def _sweep(self, key: str, generation: int) -> None:
        self.storage.sweep(f"ledger/{key}")
        result = self.result(key, generation)
        if result is not None:
            kept = {file.path for file in result.files.values()}
            for path in self.outputs(key, generation):
                if path not in kept:
                    self.storage.delete(path)

    def outputs(self, key: str, generation: int) -> list[str]:
        """The paths of the files that attempts of a generation have stored, whether its result names them or not."""
        folder = f"ledger/{key}/g{generation}"
        return [path for path in self.storage.list(folder) if _OUTPUT.fullmatch(path.removeprefix(f"{folder}/"))]

    def _store(self, attempt: Attempt, name: str, local: Path) -> StoredFile:
        digest, size = digest_file(local), local.stat().st_size
        # Two processes may run one attempt (a zombie and its retry): by content, neither can overwrite the other.
        path = f"{attempt.folder}/a{attempt.number}/{digest[:12]}/{name}"
        self.storage.upload(local, path)
        return StoredFile(path, digest, size)

    def result(self, key: str, generation: int | None = None) -> Result | None:
        """The result of a generation (by default the newest open one), or None."""
        number = self.generation(key) if generation is None else generation
        try:
            return self._result(f"ledger/{key}/g{number}/result.json")
        except FileNotFoundError:
            return None

    def resolve(self, ref: Ref) -> Result:
        """The result a Ref points to; where that was collected, the one that was computed anew, if it is the same; where a
        subject was forgotten, what is left of it, whose digest is another one.

        Raises IntegrityError if it is not what the Ref says, DataError if it is gone.
        """
        path = relative(ref.uri).removeprefix(self.storage.root).lstrip("/")
        try:
            result = self._result(path)
        except FileNotFoundError as error:
            if (again := self._computed_anew(path, ref.digest)) is not None:
                return again
            if (left := self._left_of(path, ref.digest)) is not None:
                return left
            raise refusal(self.storage, path, ref.digest) or DataError(
                f"The {ref.kind} at {self.storage.uri(path)} is gone.",
                seen=ref.digest,
                safe="everything else in the ledger.",
                hint="clear the task that made it: it is computed again. If the storage was moved: is SLIPSTREAM_ROOT right?",
            ) from error
        if result.digest != ref.digest:
            raise IntegrityError(
                f"The {ref.kind} at {self.storage.uri(path)} is not the one that was asked for.", seen=result.digest
            )
        return result

    def _computed_anew(self, path: str, digest: str) -> Result | None:
        """Another generation's result of that digest: what was made from the one that is gone was made from it as well."""
        if (found := _RESULT.fullmatch(path)) is None:
            return None
        results = (self.result(found[1], number) for number in range(self.generation(found[1]) + 1))
        return next((result for result in results if result is not None and result.digest == digest), None)

    def forgotten(self, uri: str, digest: str) -> list[Forgotten]:
        """How subjects were forgotten in a result since it had that digest, oldest first."""
        found = _RESULT.fullmatch(relative(uri).removeprefix(self.storage.root).lstrip("/"))
        if found is None:
            return []
        key, number = found[1], int(found[0].rpartition("/g")[2].partition("/")[0])
        marks: list[Forgotten] = []
        while (mark := Forgotten.read(self.storage, result_mark(key, number))) is not None and mark.before == digest:
            marks.append(mark)
            number, digest = mark.generation, mark.after
            if not digest:  # computed anew since, if at all
                again = self.result(key, number)
                digest = again.digest if again is not None else self._before(key, number)
        return marks

    def _before(self, key: str, generation: int) -> str:
        mark = Forgotten.read(self.storage, result_mark(key, generation))
        return mark.before if mark is not None else ""

    def _left_of(self, path: str, digest: str) -> Result | None:
        """What a result is by now that subjects were forgotten in; None where it is no such one. Raises DataError where it was
        given up, and nobody has asked for it since."""
        marks, found = self.forgotten(path, digest), _RESULT.fullmatch(path)
        if not marks or found is None:
            return None
        left = self.result(found[1], marks[-1].generation)
        if left is None:
            raise refusal(self.storage, path, digest) or DataError(
                f"{found[1]} held rows of a subject that was forgotten by request {marks[-1].request}, and is not made anew yet.",
                seen=digest,
                safe="everything else in the ledger.",
                hint="clear the task that made it: it is computed again, without them.",
            )
        return left

    def ref(self, result: Result) -> Ref:
        return Ref(result.path, result.digest, result.key.partition("/")[0])

    def verify(self, result: Result) -> list[str]:
        """Names of the files that are missing or whose bytes changed. Empty: all is well."""
        with scratch_folder() as scratch:
            return [name for name, file in result.files.items() if not self._intact(file, scratch)]

    def _intact(self, file: StoredFile, scratch: Path) -> bool:
        try:
            return digest_file(self.storage.fetch(file.path, scratch)) == file.digest
        except FileNotFoundError:
            return False

    def fetch(self, result: Result, name: str, scratch: Path) -> Path:
        """A local path of one of a result's files. Raises IntegrityError on a wrong digest."""
        try:
            file = result.files[name]
        except KeyError:
            raise DataError(f"{result.key} has no file {name!r}.", seen=sorted(result.files)) from None
        local = self.storage.fetch(file.path, scratch)
        if digest_file(local) != file.digest:
            raise IntegrityError(
                f"{self.storage.uri(file.path)} does not match its digest.",
                safe="nothing was loaded from it.",
                hint=f"slipstream invalidate {result.key} and clear the task: it is computed again.",
            )
        return local

    def _result(self, path: str) -> Result:
        return Result.from_json(self._json(path, RESULT))

    def _json(self, path: str, format: Format = MARK) -> Mapping[str, Any]:
        data = self.storage.read(path)
        try:
            value = json.loads(data)
        except ValueError as error:
            raise IntegrityError(f"{self.storage.uri(path)} is not JSON.", seen=digest_bytes(data)) from error
        if not isinstance(value, dict):
            raise IntegrityError(f"{self.storage.uri(path)} is no JSON object.", seen=digest_bytes(data))
        return format.read(value, self.storage.uri(path))

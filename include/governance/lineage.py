"""From a served version back to the raw partitions: `trace`. Every digest on the way is computed again."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import cast

from include.core.control import ControlStore
from include.core.digest import digest_bytes, digest_json
from include.core.errors import DataError, IntegrityError, SlipstreamError, one_line
from include.core.forgotten import Forgotten, raw_since
from include.core.given_up import given_up as given_up_at
from include.core.ledger import Ledger
from include.core.partition import Partition
from include.core.request import Json, Ref, Request, Result
from include.data.raw import RawPartitions
from include.governance.import_step import STEP as IMPORT
from include.governance.node import Node, State
from include.governance.registration import recipe
from include.versions import queries as versions
from include.versions.origin import IMPORTED
from include.versions.record import VersionRecord
from include.versions.shown import given_up, override_of, promoted_by, shown_records, shown_version

Memo = dict[str, Node]


@dataclass(frozen=True)
class Trace:
    """One version's lineage. `root` is the version; its children are what it was made from."""

    record: VersionRecord
    root: Node
    where: str = ""  # the storage root: a folder, or an address

    @cached_property
    def counts(self) -> dict[str, int]:
        """How many distinct things are in each state."""
        seen = {(node.uri or node.digest, node.state) for node in self.root.walk()}
        return {str(state): sum(1 for _, each in seen if each is state) for state in State}

    @property
    def intact(self) -> bool:
        return not self.root.broken

    def to_json(self) -> dict[str, Json]:
        return {
            "version": self.record.to_json(),
            "counts": self.counts,
            "intact": self.intact,
            "root": self.where,
            "lineage": self.root.to_json(),
        }


def trace(ledger: Ledger, control: ControlStore, model: str, version: int | None = None) -> Trace:
    """The lineage of the version in production, or of the one named. Raises DataError if there is none."""
    record = _choose(control, model, version)
    lineage = record.entry.lineage
    gone = given_up(record)
    own = {lineage.train.uri, lineage.training_set.uri, lineage.evaluation.uri}
    walker = _Walker(ledger, own) if gone is None else _Walker(ledger, gone=gone.words)
    role = "trained elsewhere" if record.entry.origin == IMPORTED else "train"
    inputs = (walker.node(role, lineage.train), walker.node("evaluation", lineage.evaluation))
    detail: dict[str, Json] = {
        "semver": record.semver,
        "stage": str(record.stage),
        "as_of": record.entry.as_of,
        "commit": lineage.commit,
        "key": record.entry.key,
    }
    if not record.entry.gate.passed:
        detail["gate"] = "closed: " + "; ".join(record.entry.gate.reasons)
    if (override := override_of(record)) is not None:
        detail["override"] = override.words
    if by := promoted_by(record):
        detail["promoted_by"] = " and ".join(by)
    if gone is not None:
        detail["given_up"] = gone.words + (f"; its dossier is {gone.dossier}" if gone.dossier else "")
    name = f"{model} version {record.version}"
    root = Node(name, State.RECORDED, record.entry.key.rpartition("/")[2], "", detail, inputs)
    return Trace(record, root, ledger.storage.uri(""))


def _choose(control: ControlStore, model: str, version: int | None) -> VersionRecord:
    if version is not None:
        return shown_version(control, model, version)
    champion = versions.champion([*shown_records(control, model)])
    if champion is None:
        raise DataError(
            f"No version of {model} is in production.",
            hint=f"name one: slipstream trace {model} --version N (`slipstream versions {model}` lists them).",
        )
    return champion


class _Walker:
    """Follows Refs through the ledger. A result met twice (a day is an input of many) is checked once; and once more where it is
    met below what was given up: there it may be gone, and above it may not.

    `own`: of a version that is kept, its own results, which are to be there whatever was given up. `gone`: in words, where the
    version itself was given up.
    """

    def __init__(self, ledger: Ledger, own: Collection[str] = (), gone: str = "") -> None:
        self.ledger, self.own, self.gone, self.memo = ledger, own, gone, cast("Memo", {})

    def node(self, role: str, ref: Ref, below: str = "") -> Node:
        below = self.gone or below
        name = f"{ref.uri} given up" if below else ref.uri
        known = self.memo.get(name)
        if known is None:
            known = self.memo[name] = self._visit(role, ref, below)
        return Node(role, known.state, known.digest, known.uri, known.detail, known.children)

    def _visit(self, role: str, ref: Ref, below: str) -> Node:
        try:
            result = self.ledger.resolve(ref)
            request = self.ledger.request(result.key)
        except (SlipstreamError, FileNotFoundError) as error:
            if not isinstance(error, IntegrityError) and (words := self._why_gone(ref, below)):
                return self._recorded(role, ref, words)
            state = State.CHANGED if isinstance(error, IntegrityError) else State.MISSING
            return Node(role, state, ref.digest, ref.uri, {"problem": one_line(error)})
        inputs = [self.node(name, each, below) for name, each in request.inputs.items()]
        marks = self.ledger.forgotten(ref.uri, ref.digest) if result.digest != ref.digest else []
        return Node(role, self._state(result), ref.digest, ref.uri, {**self._detail(result, request), **_forgotten(marks)},
                    (*inputs, *_definitions(request), *self._raw(request), *self._source(result, request)))  # fmt: skip

    def _why_gone(self, ref: Ref, below: str) -> str:
        if ref.uri in self.own:
            return ""
        mark = given_up_at(self.ledger.storage, ref.uri)
        return mark.words if mark is not None else below

    def _recorded(self, role: str, ref: Ref, words: str) -> Node:
        """What was given up: its request stays, and says what it was made from."""
        try:
            request = self.ledger.request(ref.key)
        except (SlipstreamError, FileNotFoundError):
            return Node(role, State.RECORDED, ref.digest, ref.uri, {"given_up": words})
        inputs = [self.node(name, each, words) for name, each in request.inputs.items()]
        detail: dict[str, Json] = {"given_up": words, "code": request.code}
        return Node(role, State.RECORDED, ref.digest, ref.uri, detail, (*inputs, *_definitions(request), *self._raw(request)))

    def _state(self, result: Result) -> State:
        broken = self.ledger.verify(result)
        if not broken:
            return State.VERIFIED
        there = all(self.ledger.storage.exists(result.files[name].path) for name in broken)
        return State.CHANGED if there else State.MISSING

    def _detail(self, result: Result, request: Request) -> dict[str, Json]:
        files = {name: file.digest for name, file in result.files.items()}
        kept = {name: result.value[name] for name in ("rows", "first", "last", "passed", "day") if name in result.value}
        paths = {name: file.path for name, file in result.files.items()}
        made = {"key": result.key, "generation": result.generation, "code": request.code}
        return {**made, "files": files, "paths": paths, **kept}

    def _raw(self, request: Request) -> list[Node]:
        """The raw partitions that a verdict vouches for."""
        if request.step != "validate":
            return []
        raw, day = RawPartitions(self.ledger.storage, request.model), Partition.read(request.params)  # a feature set has its own
        found = request.params["sources"].items()
        return [self._file(f"raw {source}", raw.path(source, day), of, {"day": day.name}) for source, of in found]

    def _source(self, result: Result, request: Request) -> list[Node]:
        """The file that an imported model was made of, as it was given."""
        if request.step != IMPORT:
            return []
        given, known = request.params["source"], result.value["source"]
        origin = {"from": known["uri"], "by": known["by"], "at": known["at"]}
        if "remote" in result.value:
            origin["holds"] = "the record of a model on another server; the model's own bytes are not held here"
        return [self._file("source", given["path"], given["digest"], origin)]

    def _file(self, role: str, path: str, digest: str, detail: Mapping[str, Json]) -> Node:
        marks: list[Forgotten] = []
        try:
            state = State.VERIFIED
            if (now := digest_bytes(self.ledger.storage.read(path))) != digest:
                marks = list(raw_since(self.ledger.storage, path, digest))
                state = State.VERIFIED if now in {mark.after for mark in marks} else State.CHANGED
        except FileNotFoundError:
            marks = list(raw_since(self.ledger.storage, path, digest))
            state = State.RECORDED if any(not mark.after for mark in marks) else State.MISSING  # removed when its time was over
        return Node(role, state, digest, self.ledger.storage.uri(path), {**detail, **_forgotten(marks)})


def _forgotten(marks: Sequence[Forgotten]) -> dict[str, Json]:
    """That subjects were forgotten in something since: its digest goes on to be the one of before."""
    if not marks:
        return {}
    said: list[Json] = [{"request": mark.request, "rows": mark.rows, "digest": mark.after, "at": mark.at} for mark in marks]
    return {"forgotten": said}


def _definitions(request: Request) -> list[Node]:
    """What a step was given besides its data: feature definitions, training parameters, and the code."""
    found = []
    if request.step == "features":
        found.append(Node("feature definitions", State.RECORDED, digest_json(request.params.get("features"))))
    if request.step == "train":
        params = recipe(request)
        found.append(Node("parameters", State.RECORDED, digest_json(params), "", _readable(params)))
    return [*found, Node("code", State.RECORDED, request.code, "", {"function": request.function})]


def _readable(params: Mapping[str, Json]) -> dict[str, Json]:
    inner = params.get("params")
    return dict(inner if isinstance(inner, Mapping) else params)

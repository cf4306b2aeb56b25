"""The values the kernel passes around: Ref, Request, Outcome, Result. All frozen, all JSON."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self, TypeVar, cast

from include.core.digest import Code, code_of, digest_json
from include.core.json_types import Json as Json

Value = TypeVar("Value")
_RESULT = re.compile(r"(?:.*/)?(ledger/[^/]+/[^/]+/g\d+/result\.json)")


def relative(uri: str) -> str:
    """Where a result lies below the storage root. What earlier releases stored named the root itself, as it was then.

    Under whatever root a result lay, it is the same result: its digest says so when it is read.
    """
    found = _RESULT.fullmatch(uri)
    return found[1] if found else uri


@dataclass(frozen=True)
class Ref:
    """A pointer to something immutable: all that crosses XCom.

    `uri` is relative to the storage root, which may be moved. `digest` is of the content, not of where it lies: two roots
    holding the same result agree.
    """

    uri: str
    digest: str
    kind: str

    @property
    def key(self) -> str:
        """The ledger's key of a result."""
        return relative(self.uri).rpartition("/g")[0].rpartition("ledger/")[2]

    def to_json(self) -> dict[str, str]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, str]) -> Self:
        """Of what is stored, in a row, a file or XCom, whatever release stored it."""
        return cls(uri=relative(value["uri"]), digest=value["digest"], kind=value["kind"])


@dataclass(frozen=True)
class Request:
    """What to compute: a step's name, the function that computes it, its parameters and its inputs.

    Two requests with equal `key` give equal results; so parameters must hold all that the result depends
    on, and nothing that it does not (no run_id, no try number, no wall clock).
    """

    step: str
    function: str  # "include.training.train_step:run": called with a Task, returns an Outcome
    model: str
    params: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, Ref] = field(default_factory=dict)
    code: str = ""
    modules: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)
    """The modules that `code` is the digest of: by them a job says what is another one where it runs. No part of the key."""

    @classmethod
    def of(
        cls,
        step: str,
        function: str,
        model: str,
        *,
        params: Mapping[str, Any],
        inputs: Mapping[str, Ref],
        uses: tuple[str, ...] = (),
    ) -> Self:
        """A request whose code digest covers its function and the model's own code in `uses`."""
        code = code_of(function, *uses)
        return cls(step, function, model, dict(params), dict(inputs), code.digest, code.modules)

    @property
    def source(self) -> Code:
        """The code it asks for; without modules where an earlier release stored the request."""
        return Code(self.code, self.modules)

    @property
    def key(self) -> str:
        """`step/` + 32 hex digits of the SHA-256 of everything the result depends on."""
        body = {
            "step": self.step,
            "function": self.function,
            "model": self.model,
            "params": dict(self.params),
            "inputs": {name: ref.digest for name, ref in self.inputs.items()},
            "code": self.code,
        }
        return f"{self.step}/{digest_json(body)[:32]}"

    def to_json(self) -> dict[str, Json]:
        return {
            "step": self.step,
            "function": self.function,
            "model": self.model,
            "params": dict(self.params),
            "inputs": {name: ref.to_json() for name, ref in self.inputs.items()},
            "code": self.code,
            **({"modules": dict(self.modules)} if self.modules else {}),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        inputs = {name: Ref.from_json(ref) for name, ref in value["inputs"].items()}
        return cls(
            value["step"], value["function"], value["model"], value["params"], inputs, value["code"], value.get("modules", {}),
        )  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """What a step's function returns: a small JSON value, and files it wrote under its workdir."""

    value: Mapping[str, object]
    files: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True)
class StoredFile:
    path: str  # in the storage root
    digest: str
    bytes: int


@dataclass(frozen=True)
class Result:
    """A committed outcome. `digest` covers the value and every file, not when or by whom it was made."""

    key: str
    generation: int
    attempt: int
    value: Mapping[str, Any]
    files: Mapping[str, StoredFile]
    seconds: float
    committed_at: str
    cpu_seconds: float | None = None
    """Of the step's process and of those that it waited for; None of results that an earlier release made."""

    def read(self, kind: type[Value]) -> Value:
        """The value as its step's own type (`include.step_values`), unchecked: the ledger's digest vouches for it."""
        return cast("Value", self.value)

    @property
    def digest(self) -> str:
        return digest_json({"value": dict(self.value), "files": {n: f.digest for n, f in self.files.items()}})

    @property
    def path(self) -> str:
        return f"ledger/{self.key}/g{self.generation}/result.json"

    def to_json(self) -> dict[str, Json]:
        fields = {**vars(self), "value": dict(self.value), "files": {name: asdict(file) for name, file in self.files.items()}}
        if self.cpu_seconds is None:
            del fields["cpu_seconds"]
        return {**fields, "digest": self.digest}  # not `asdict` of all: it copies every value of a value

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        files = {name: StoredFile(**file) for name, file in value["files"].items()}
        return cls(
            value["key"], value["generation"], value["attempt"], value["value"], files,
            value["seconds"], value["committed_at"], value.get("cpu_seconds"),
        )  # fmt: skip

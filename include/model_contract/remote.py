"""A version that another Open Inference Protocol server serves: `remote.json`, in place of `model.onnx`.

The address is `oip://NAME/MODEL/versions/3?timeout_ms=100&max_batch=64`. NAME stands for the Airflow connection
`slipstream_oip_NAME`, which alone holds the server's host, port, scheme and token.
"""

from __future__ import annotations

import re
from collections.abc import Container, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from include.core.environment import REMOTES
from include.core.errors import DataError
from include.core.versioned import Format

ONNX, REMOTE = "model.onnx", "remote.json"
KEY = "slipstream_remote"  # the first key of the file, by which it is known whatever it is called
SCHEME = "oip"
TIMEOUT_MS, MAX_BATCH = 250, 64  # where neither the address nor the server says otherwise
LONGEST_MS, LARGEST_BATCH = 10_000, 4096
NUMBERS = {"timeout_ms": LONGEST_MS, "max_batch": LARGEST_BATCH}  # what an address may say, and the largest of each
HINT = f"write {SCHEME}://NAME/MODEL/versions/3, where NAME is of the Airflow connection {REMOTES}NAME."
SAFE = "nothing was registered, and nothing was sent."
FORMAT = Format("the record of a remote model")


def model_file(files: Container[str]) -> str:
    """The name of a version's model among its files."""
    return REMOTE if REMOTE in files else ONNX


@dataclass(frozen=True)
class Address:
    """What a person writes. `version`: empty where none is named."""

    name: str
    model: str
    version: str = ""
    timeout_ms: int | None = None
    max_batch: int | None = None

    @property
    def connection(self) -> str:
        """The id of the Airflow connection."""
        return REMOTES + self.name

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises DataError for what is no address of a remote model, or holds a login."""
        parts = urlsplit(text)
        path = re.fullmatch(r"/([^/]+)(?:/versions/([^/]+))?/?", parts.path)
        name = parts.netloc.lower().removeprefix(REMOTES)
        if "@" in parts.netloc:
            raise DataError("The address of a remote model holds a login.", safe=SAFE, hint=f"only the connection may. {HINT}")
        if parts.scheme != SCHEME or path is None or not re.fullmatch(r"[a-z0-9][a-z0-9_]{0,63}", name):
            raise DataError("This is no address of a remote model.", seen=text, safe=SAFE, hint=HINT)
        numbers = _numbers(text, parts.query)
        model, version = unquote(path[1]), unquote(path[2] or "")
        return cls(name, model, version, numbers.get("timeout_ms"), numbers.get("max_batch"))


def _numbers(text: str, query: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for key, value in parse_qsl(query, keep_blank_values=True):
        most = NUMBERS.get(key, 0)
        if not re.fullmatch(r"[0-9]{1,9}", value) or not 1 <= int(value) <= most:
            allowed = ", ".join(f"{name} from 1 to {largest}" for name, largest in NUMBERS.items())
            raise DataError(f"{key}={value} is nothing that an address may say.", seen=text, safe=SAFE, hint=f"say {allowed}.")
        found[key] = int(value)
    return found


@dataclass(frozen=True)
class Port:
    """One tensor of the server's metadata: -1 in a shape is any number."""

    name: str
    datatype: str
    shape: tuple[int, ...]

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        return cls(str(value["name"]), str(value["datatype"]), tuple(int(size) for size in value["shape"]))

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "datatype": self.datatype, "shape": list(self.shape)}


@dataclass(frozen=True)
class Remote:
    """What is kept of a remote version. `outputs`: those that are asked for, in the order of the problem's.

    `form`: whether it takes one tensor of all inputs, or one an input. `binary`: whether the server takes raw tensors.
    `digest`: what the server itself says of its model's bytes; empty of one that says nothing.
    """

    name: str
    model: str
    version: str
    platform: str
    form: Literal["tensor", "columns"]
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    timeout_ms: int = TIMEOUT_MS
    max_batch: int = MAX_BATCH
    binary: bool = False
    digest: str = ""

    @property
    def connection(self) -> str:
        """The id of the Airflow connection."""
        return REMOTES + self.name

    @property
    def address(self) -> str:
        """For people and traces: what is asked, without what opens it."""
        version = f"/versions/{quote(self.version, safe='')}" if self.version else ""
        return f"{SCHEME}://{self.name}/{quote(self.model, safe='')}{version}"

    @property
    def path(self) -> str:
        """Of the model on the server."""
        version = f"/versions/{quote(self.version, safe='')}" if self.version else ""
        return f"/v2/models/{quote(self.model, safe='')}{version}"

    @property
    def seconds(self) -> float:
        """How long an answer may take."""
        return self.timeout_ms / 1000

    def to_json(self) -> dict[str, Any]:
        body = FORMAT.stamp({
            "name": self.name, "model": self.model, "version": self.version, "platform": self.platform, "form": self.form,
            "inputs": [port.to_json() for port in self.inputs], "outputs": [port.to_json() for port in self.outputs],
            "timeout_ms": self.timeout_ms, "max_batch": self.max_batch, "binary": self.binary, "digest": self.digest,
        })  # fmt: skip
        return {KEY: body}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Raises DataError for what is none."""
        try:
            body = FORMAT.read(value[KEY])
            inputs, outputs = (tuple(Port.from_json(port) for port in body.pop(each)) for each in ("inputs", "outputs"))
            return cls(inputs=inputs, outputs=outputs, **body)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DataError(
                f"{REMOTE} cannot be read: {type(error).__name__}.", safe="nothing was sent.", hint="register the model again."
            ) from error

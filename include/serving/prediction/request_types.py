"""What a model's callers may send: one msgspec type a model, made from its spec.

Decoding is the check. Only when it fails is the body read a second time, to name the field, the value
and what is allowed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, cast

import msgspec

from include.core.errors import DataError
from include.core.keys import INT64, key_text
from include.core.spec import Feature, ModelSpec
from include.core.spec.dtypes import TEXT_BYTES, length_of
from include.core.time import ALLOWED as TIME
from include.core.time import utc
from include.serving.http.request_error import UNREADABLE, RequestError, decode_problem

LARGEST = 3.4e38  # the model computes in float32: a larger number would be an infinity
_NUMBER: Any = Annotated[float, msgspec.Meta(ge=-LARGEST, le=LARGEST)]
_TYPES: dict[str, Any] = {
    "float": _NUMBER | None,
    "int": Annotated[int, msgspec.Meta(ge=-(2**53), le=2**53)] | None,
    "bool": bool | None,
    "category": Annotated[str, msgspec.Meta(max_length=1000)] | None,
    "text": Annotated[str, msgspec.Meta(max_length=TEXT_BYTES)] | None,
}
KEY: Any = Annotated[str, msgspec.Meta(max_length=1000)] | Annotated[int, msgspec.Meta(ge=-INT64, le=INT64 - 1)]
KEYS_ALLOWED = "text of at most 1000 characters, or a whole number of 64 bits"
EXPLAIN = "explain"
_EXPLAIN: Any = bool | Annotated[int, msgspec.Meta(ge=1, le=1000)]
_EXPLAIN_ALLOWED = "true, false, or how many features to name at most: 1 to 1000"
UNEXPLAINED = "no such field: answers of this model are not explained (serving.explain in its spec)"
_ALLOWED = {
    "float": "a finite number, or null if unknown",
    "int": "a whole number, or null if unknown",
    "bool": "true, false, or null if unknown",
    "category": "text, or null",
    "text": f"text of at most {TEXT_BYTES} bytes of UTF-8, or null",
}


def value_type(dtype: str) -> Any:
    """msgspec's type of a value of a dtype, or null."""
    length = length_of(dtype)
    if not length:
        return _TYPES[dtype]
    return Annotated[list[_NUMBER], msgspec.Meta(min_length=length, max_length=length)] | None


def allowed(dtype: str) -> str:
    """What a caller may send for it, in words."""
    return _ALLOWED.get(dtype) or f"a list of {length_of(dtype)} finite numbers, or null if unknown"


def check_texts(value: str | None, field: str) -> None:
    """Raises RequestError for a text of more bytes than are taken."""
    if value is None or len(value) * 4 <= TEXT_BYTES:
        return
    size = len(value.encode())
    if size > TEXT_BYTES:
        raise RequestError(400, "The text is too long.", field=field, value=f"{size} bytes", allowed=_ALLOWED["text"])


class Item(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """One request to score; every model has a subclass with its own `entity` and `features`."""

    entity: Any
    features: Any
    id: Annotated[str, msgspec.Meta(min_length=1, max_length=200)] | None = None
    event_time: datetime | None = None


class Contract:
    """Decodes and checks the bodies of one model's requests."""

    base: type[Item] = Item
    more: Mapping[str, str] = {}  # fields of a request beside the item's, and what is allowed there

    def __init__(self, spec: ModelSpec) -> None:
        self.spec = spec
        self.keys = spec.features.keys
        if self.explains:
            self.more = {**self.more, EXPLAIN: _EXPLAIN_ALLOWED}
        self._texts = tuple(feature.name for feature in spec.features.sent if feature.dtype == "text")
        self._entity = msgspec.defstruct("Entity", [(key, KEY) for key in self.keys], **_STRICT)
        asked = [_field(feature) for feature in spec.features.sent]  # by keyword: one with a default may come first
        self._features = msgspec.defstruct("RequestFeatures", asked, kw_only=True, **_STRICT)
        self.item = msgspec.defstruct("ModelItem", self._item_fields(), bases=(self.base,), kw_only=True, **_STRICT)
        batch = msgspec.defstruct("Batch", [("requests", list[self.item])], **_STRICT)  # type: ignore[name-defined]
        self._one = msgspec.json.Decoder(self.item)
        self._many = msgspec.json.Decoder(batch)

    @property
    def explains(self) -> bool:
        """Whether a caller may ask why an answer is what it is."""
        return self.spec.serving.explain is not None and self.base is Item

    def _item_fields(self) -> list[Any]:
        """`entity` and `features` may be left out where the model needs nothing from them."""
        return [*self._asked_fields(), (EXPLAIN, _EXPLAIN, False)] if self.explains else self._asked_fields()

    def _asked_fields(self) -> list[Any]:
        entity: Any = (
            ("entity", self._entity) if self.keys else ("entity", self._entity, msgspec.field(default_factory=self._entity))
        )
        if any(feature.default is None for feature in self.spec.features.sent):
            return [entity, ("features", self._features)]
        return [entity, ("features", self._features, msgspec.field(default_factory=self._features))]

    def decode(self, body: bytes) -> tuple[list[Item], bool]:
        """The requests in a body, and whether it was the batch form. Raises RequestError."""
        try:
            item = cast(Item, self._one.decode(body))
        except UNREADABLE as error:
            value = _generic(body)
            if not (isinstance(value, dict) and "requests" in value):
                raise self._refusal(error, value) from None
        else:
            self._normalise(item, "")
            return [item], False
        try:
            requests: list[Item] = cast(Any, self._many.decode(body)).requests
        except UNREADABLE as error:
            raise self._refusal(error, value) from None
        most = self.spec.serving.max_rows
        if not 1 <= len(requests) <= most:
            raise RequestError(
                400,
                "A batch has the wrong number of requests.",
                field="requests",
                value=len(requests),
                allowed=f"1 to {most}",
            )
        for place, each in enumerate(requests):
            self._normalise(each, f"requests[{place}].")
        return requests, True

    def _normalise(self, item: Item, prefix: str) -> None:
        """One form of keys and times from here on: text, and UTC without a zone. Raises RequestError."""
        entity, moment = item.entity, item.event_time
        for name in self._texts:
            check_texts(getattr(item.features, name), f"{prefix}features.{name}")
        for key in self.keys:
            value = getattr(entity, key)
            if value.__class__ is not str:
                setattr(entity, key, key_text(value))
        if moment is not None and moment.tzinfo is not None:
            try:
                item.event_time = utc(moment)
            except DataError as error:
                raise RequestError(400, error.what, field=f"{prefix}event_time", value=error.seen, allowed=TIME) from None

    def _refusal(self, error: Exception, value: Any) -> RequestError:
        """msgspec's message, with the field's name, its value and what is allowed there."""
        said, full = decode_problem(error)
        named = "field `" in said
        field = full.rpartition(".")[0] if named else full
        seen = _at(value, full) if not named or "unknown" in said else msgspec.UNSET
        return RequestError(
            400, f"{said}.", field=full or "body", value=seen, allowed=self._allowed(field, full, unknown="unknown" in said)
        )

    def _allowed(self, field: str, full: str, *, unknown: bool) -> object:
        parent = re.sub(r"requests\[\d*\.*\]\.?", "", field)
        names = {"": ["id", "entity", "features", "event_time", *self.more], "entity": list(self.keys)}
        names["features"] = [feature.name for feature in self.spec.features.sent]
        if full == EXPLAIN or full.endswith(f"].{EXPLAIN}"):
            return self.more.get(EXPLAIN, UNEXPLAINED)
        if unknown:
            return names.get(parent, msgspec.UNSET)
        leaf = full.rpartition(".")[2]
        if leaf in (here := {**_ALLOWED_HERE, **self.more}):
            return here[leaf]
        if leaf in self.keys and ".features." not in f".{full}":
            return KEYS_ALLOWED
        return next((allowed(f.dtype) for f in self.spec.features.sent if f.name == leaf), msgspec.UNSET)


_ALLOWED_HERE = {"event_time": TIME, "id": "text of 1 to 200 characters"}
_STRICT: dict[str, Any] = {"forbid_unknown_fields": True, "gc": False}


def _field(feature: Feature) -> Any:
    if feature.default is None:
        return (feature.name, value_type(feature.dtype))
    return (feature.name, value_type(feature.dtype), feature.default)


def _generic(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except msgspec.ValidationError as error:  # JSON, but with a number that is no finite one
        raise RequestError(
            400, f"The body holds a number that is out of range: {error}.", field="body", allowed="finite numbers"
        ) from None
    except UNREADABLE as error:
        hint = "JSON; it has no NaN and no Infinity: send null for an unknown value"
        raise RequestError(400, f"The body is not JSON: {decode_problem(error)[0]}.", field="body", allowed=hint) from None


def _at(value: Any, path: str) -> object:
    """The value at `features.distance` or `requests[0].features.distance`, where it can be found."""
    for part in re.findall(r"[^.\[\]]+", path):
        if isinstance(value, dict) and part in value:
            value = value[part]
        elif isinstance(value, list) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        else:
            return msgspec.UNSET
    return value

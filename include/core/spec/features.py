"""The section `features`: the model's inputs, the views they are read from, and the SQL that makes them."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Self

from pydantic import Field, model_validator

from include.core.expression.checked import Written, checked
from include.core.partition import Cadence
from include.core.spec.base import Frozen, Name, OptionalReference
from include.core.spec.dtypes import TEXT_BYTES, Dtype, kind_of, length_of
from include.core.time import ONE_DAY

Default = bool | float | str | tuple[float, ...]


class Feature(Frozen):
    """One input of the model."""

    name: Name
    """The name of the input, which is also the name of its column in the SQL and of its field in a request."""

    dtype: Dtype = "float"
    """The type of the value. A `category` is text, and text that training has not seen has the code 0. A `text` is read as it
    is, by a model that takes columns (`training.inputs`). A `vector[n]` is a list of n numbers."""

    default: Default | None = None
    """What serving uses when the value is not known. A `float`, `int` or `bool` without a default is NaN then, a `vector` is
    NaN throughout, and a text is empty."""

    description: str = ""
    """What the value means, for the pages and the feature registry that show it."""

    expression: str = Field("", exclude_if=lambda value: not value)
    """Of a feature of the request: what computes it of other features, of `features.request_fields` and of event_timestamp, in a
    closed part of SQL (docs/features.md). By default the caller sends it."""

    @model_validator(mode="after")
    def _default_of_the_type(self) -> Self:
        problem = _default_problem(self.dtype, self.default)
        if problem:
            raise ValueError(f"default: {problem} (seen: {self.default!r:.120})")
        return self


def _default_problem(dtype: str, default: Default | None) -> str:
    """What is wrong with the default of one of the newer types; numbers and categories are read as ever."""
    kind = kind_of(dtype)
    if default is None:
        return ""
    if kind == "bool":
        return "" if isinstance(default, bool) else "must be True or False"
    if kind == "text":
        return _text_problem(default)
    if kind == "vector":
        return _vector_problem(length_of(dtype), default)
    return "is a vector's; this is one value" if isinstance(default, tuple) else ""


def _text_problem(default: Default) -> str:
    if not isinstance(default, str):
        return "must be text"
    try:
        size = len(default.encode())
    except UnicodeEncodeError:
        return "holds half of a surrogate pair, which is no character"
    return "" if size <= TEXT_BYTES else f"is longer than {TEXT_BYTES} bytes"


def _vector_problem(length: int, default: Default) -> str:
    if not isinstance(default, tuple) or len(default) != length:
        return f"must be {length} numbers"
    return "" if all(math.isfinite(each) for each in default) else "must be finite numbers"


class View(Frozen):
    """A table of feature values by entity keys and event time.

    A value is known from its event time on; if it can arrive later, `created` names the SQL's column of its arrival,
    and nothing sees it before. Of two values for one event time the one created later stands.
    """

    name: Name
    """The name of the view, by which the SQL of `features.build` is found."""

    keys: tuple[Name, ...]
    """The columns of the entity rows that identify a row of this view."""

    features: tuple[Feature, ...]
    """The values of the view, in the order in which the model reads them."""

    ttl: timedelta | None = None
    """The age from which a value counts as missing, at the moment it is asked for. By default a value never expires."""

    created: Name | None = None
    """The SQL's column of arrival times, for values that can arrive late. By default a value is known at its event time."""

    freshness: timedelta | None = None
    """The age of the newest online value beyond which an alert is sent. By default nobody is alerted."""

    pushed: bool = False
    """Whether rows pushed to the gateway are kept, and published with their day. By default they reach the online store alone."""

    version: str = ""
    """The version of the view's definition, where one in particular is meant. It is filled in when a view is read back from
    a stored result; a spec leaves it empty."""

    description: str = ""
    """What the view holds, for the pages and the feature registry that show it."""

    every: timedelta = Field(ONE_DAY, exclude_if=lambda value: value == ONE_DAY)
    """How long its partitions are. It is filled in from `data.every` of whose view it is; a spec leaves it out."""

    zone: str = Field("UTC", exclude_if=lambda value: value == "UTC")
    """The zone of its partitions. It is filled in from `data.zone`, too; a spec leaves it out."""

    @property
    def cadence(self) -> Cadence:
        """The rule by which its partitions are cut."""
        return Cadence(self.every, self.zone)


class Features(Frozen):
    """The views that the model reads, the features of the request, and the SQL that makes them (docs/authoring.md)."""

    build: OptionalReference = ""
    """The function `(day: date) -> {view name: SQL over the sources}` that defines the views' rows of one day."""

    entities: OptionalReference = ""
    """The function `() -> SQL over the sources` that selects request_id, the keys, event_timestamp and the request features."""

    labels: OptionalReference = ""
    """The function `() -> SQL over the sources` that selects request_id, the label and label_timestamp."""

    views: tuple[View, ...] = ()
    """The views that the model reads, in the order of its inputs."""

    request: tuple[Feature, ...] = ()
    """The features that come with the request, or are computed of it (`expression`). They follow those of the views in the
    model's inputs."""

    request_fields: tuple[Feature, ...] = Field((), exclude_if=lambda value: not value)
    """What else comes with the request for expressions to read, and is no input of the model. The SQL of `features.entities`
    selects it, too."""

    @model_validator(mode="after")
    def _computed(self) -> Self:
        """Expressions that can be computed, of what is there."""
        inside = [each.name for view in self.views for each in view.features if each.expression]
        inside += [each.name for each in self.request_fields if each.expression]
        if inside:
            raise ValueError(f"{inside}: an expression is of a feature in features.request; a view's values are made by its SQL")
        computed = [Written(each.name, each.dtype, each.expression) for each in self.request if each.expression]
        if self.request_fields and not computed:
            raise ValueError("request_fields: no feature of the request has an expression that could read them")
        if computed:
            known = [*(each for view in self.views for each in view.features), *self.sent]
            checked(computed, {each.name: each.dtype for each in known})
        return self

    @property
    def sent(self) -> tuple[Feature, ...]:
        """What a caller sends, and the entities' SQL selects: the request's features that are not computed, then its fields."""
        return (*(each for each in self.request if not each.expression), *self.request_fields)

    def cut(self, cadence: Cadence) -> Features:
        """With the cadence of whose features they are said of each view that says none yet."""
        views = tuple(
            view if view.cadence == cadence else view.model_copy(update={"every": cadence.every, "zone": cadence.zone})
            for view in self.views
        )
        return self if views == self.views else self.model_copy(update={"views": views})

    @property
    def stored(self) -> Features:
        """What a day's partition depends on: what is computed of a request changes none of its rows."""
        if not any(each.expression for each in self.request):
            return self
        return self.model_copy(update={"request": self.sent, "request_fields": ()})

    @property
    def inputs(self) -> tuple[Feature, ...]:
        """Every model input in its order: the views' features, then the request's."""
        return tuple(feature for view in self.views for feature in view.features) + self.request

    @property
    def keys(self) -> tuple[str, ...]:
        """Every entity key, in first-use order."""
        return tuple(dict.fromkeys(key for view in self.views for key in view.keys))

"""The section `features`: the model's inputs, the views they are read from, and the SQL that makes them."""

from __future__ import annotations

import math
import re
from datetime import date, timedelta
from typing import Self

from pydantic import Field, field_validator, model_validator

from include.core.expression.checked import Written, checked
from include.core.partition import Cadence
from include.core.spec.base import Frozen, Name, OptionalReference
from include.core.spec.dtypes import TEXT_BYTES, Dtype, kind_of, length_of
from include.core.time import ONE_DAY

_READ = re.compile(r"[a-z][a-z0-9_]{0,62}(\.[a-z][a-z0-9_]{0,62})?")
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

    set: str = Field("", exclude_if=lambda value: not value)
    """The feature set whose view it is. It is filled in for a view that a model reads by `features.sets`; a spec leaves it
    empty."""

    build: str = Field("", exclude=True)
    """The function that gives the SQL of a feature set's view. It is filled in, too; a spec leaves it empty."""

    last: date | None = Field(None, exclude=True)
    """The last day of the feature set's sources, if they have ended. It is filled in, too; a spec leaves it empty."""

    def owner(self, model: str) -> str:
        """Under whose name its partitions and its rows online are, where this model reads it."""
        return self.set or model


class Features(Frozen):
    """The views that the model reads, the features of the request, and the SQL that makes them (docs/authoring.md)."""

    build: OptionalReference = ""
    """The function `(day: date) -> {view name: SQL over the sources}` that defines the views' rows of one day."""

    entities: OptionalReference = ""
    """The function `() -> SQL over the sources` that selects request_id, the keys, event_timestamp and the request features."""

    labels: OptionalReference = ""
    """The function `() -> SQL over the sources` that selects request_id, the label and label_timestamp."""

    views: tuple[View, ...] = ()
    """The model's own views, in the order of its inputs. Once the spec is loaded, those of `sets` follow them."""

    sets: tuple[str, ...] = Field((), exclude=True)
    """The feature sets that the model reads beside its own views: `"weather"` for all views of a set, `"weather.hourly"` for one
    of them. Their features follow those of the model's own views in its inputs."""

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
        if computed and not self.unresolved:  # what feature sets bring is not known yet
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
            view
            if view.set or view.cadence == cadence
            else view.model_copy(update={"every": cadence.every, "zone": cadence.zone})
            for view in self.views
        )
        return self if views == self.views else self.model_copy(update={"views": views})

    @field_validator("sets")
    @classmethod
    def _names_of_sets(cls, sets: tuple[str, ...]) -> tuple[str, ...]:
        for each in sets:
            if not _READ.fullmatch(each):
                raise ValueError(f"must be the name of a feature set, or set.view (seen: {each!r:.80})")
        if twice := sorted({each for each in sets if sets.count(each) > 1}):
            raise ValueError(f"names {twice} twice")
        return sets

    @property
    def own(self) -> tuple[View, ...]:
        """The model's own views, without those of feature sets."""
        return tuple(view for view in self.views if not view.set)

    @property
    def shared(self) -> tuple[View, ...]:
        """The views of feature sets that the model reads."""
        return tuple(view for view in self.views if view.set)

    @property
    def owners(self) -> tuple[str, ...]:
        """The feature sets that the model reads, each once."""
        return tuple(dict.fromkeys(view.set for view in self.shared))

    @property
    def unresolved(self) -> bool:
        """Whether views of feature sets are still to be filled in."""
        return bool(self.sets) and not self.shared

    @property
    def computed(self) -> Features:
        """What a day of the model's own is computed by: a change in a feature set's view is none of it, nor in an expression
        that may read one."""
        if not self.shared:
            return self
        return self.model_copy(update={"views": self.own, "sets": (), "request": self.sent, "request_fields": ()})

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

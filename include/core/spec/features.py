"""The section `features`: the model's inputs, the views they are read from, and the SQL that makes them."""

from __future__ import annotations

from datetime import timedelta

from include.core.spec.base import Dtype, Frozen, Name, OptionalReference


class Feature(Frozen):
    """One input of the model."""

    name: Name
    """The name of the input, which is also the name of its column in the SQL and of its field in a request."""

    dtype: Dtype = "float"
    """The type of the value. A `category` is text, and text that training has not seen has the code 0."""

    default: float | str | None = None
    """What serving uses when the value is not known. A `float` or `int` without a default is NaN then."""

    description: str = ""
    """What the value means, for the pages and the feature registry that show it."""


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
    """The features that come with the request. They follow those of the views in the model's inputs."""

    @property
    def inputs(self) -> tuple[Feature, ...]:
        """Every model input in its order: the views' features, then the request's."""
        return tuple(feature for view in self.views for feature in view.features) + self.request

    @property
    def keys(self) -> tuple[str, ...]:
        """Every entity key, in first-use order."""
        return tuple(dict.fromkeys(key for view in self.views for key in view.keys))

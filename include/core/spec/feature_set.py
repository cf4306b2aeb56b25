"""FeatureSet: sources, expectations and views that are declared once and read by any number of models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Annotated, Any, Self

from pydantic import Field, StringConstraints, model_validator

from include.core.names import clashes_of_set
from include.core.spec.base import Frozen, Name, OptionalReference
from include.core.spec.data import Data
from include.core.spec.features import Features, View
from include.core.spec.serving import Triggers
from include.core.spec.streams import Streams

Tag = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_.:/-]{0,62}$")]


class FeatureSet(Frozen):
    """A feature set. Its folder lies beside those of models and holds this in `feature_set.py`, with the code that it names.

    It has raw partitions, published days and a features DAG of its own, under its own name, as a model has. It has no label, and
    is neither trained nor served: models name it in `features.sets`.
    """

    name: Name
    """The name of the set, which is also the name of its folder. Models and feature sets share one namespace."""

    owner: str
    """The team that answers for the set. Airflow and the catalogue show it."""

    description: str
    """What the set holds, in a sentence. Airflow and the catalogue show it."""

    tags: tuple[Tag, ...] = ()
    """Words by which the set is found in the catalogue and among the DAGs."""

    data: Data
    """Where the raw partitions come from, as of a model: `raw/{set}/{source}/...` under the storage root."""

    features: Features
    """The views, and the function that gives their SQL. There are no entities, labels or request features here."""

    expectations: OptionalReference = ""
    """The mapping `{source: (Expectation, ...)}` of what the data must look like."""

    freshness: timedelta | None = Field(None, gt=timedelta(0))
    """The set's promise: how old the newest online value of a view may be. A view's own `freshness` counts before it."""

    streams: Streams = Streams()
    """Sources that come as events of a topic, and the views that are computed as they arrive."""

    triggers: Triggers = Triggers()
    """What starts the features DAG beside its schedule: `landing`, and with it a queue."""

    @model_validator(mode="after")
    def _cut(self) -> Self:
        self.__dict__["features"] = self.features.cut(self.data.cadence)
        return self

    @model_validator(mode="after")
    def _promises(self) -> Self:
        """A view without a promise of its own has the set's."""
        if self.freshness is not None:
            views = tuple(_promised(view, self.freshness) for view in self.features.views)
            self.__dict__["features"] = self.features.model_copy(update={"views": views})
        return self

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        streamed = self.streams.problems(self.data.sources, self.features.views)
        problems = [*self._lacking(), *self._foreign(), *streamed, *clashes_of_set(self)]
        if problems:
            raise ValueError("; ".join(problems))
        return self

    @property
    def managed(self) -> bool:
        """As of a model: its features are computed here. A feature set without sources would have nothing to compute."""
        return True

    @property
    def code(self) -> tuple[str, ...]:
        """Import strings of all the set's own code."""
        return tuple(filter(None, (self.features.build, self.expectations)))

    def shared(self, view: View) -> View:
        """One of its views as models read it: it says whose it is, and what gives its SQL."""
        return view.model_copy(update={"set": self.name, "build": self.features.build, "last": self.data.last})

    def _lacking(self) -> Iterator[str]:
        needed = {
            "data.sources": self.data.sources,
            "features.views": self.features.views,
            "features.build": self.features.build,
            "expectations": self.expectations,
        }
        yield from (f"{field}: a feature set needs it" for field, value in needed.items() if not value)

    def _foreign(self) -> Iterator[str]:
        """What is a model's alone."""
        given = {
            "features.entities": self.features.entities,
            "features.labels": self.features.labels,
            "features.request": self.features.request,
            "data.retention.versions": self.data.retention.versions,
        }
        yield from (f"{field}: is a model's; a feature set has views alone" for field, value in given.items() if value)
        if self.features.sets:
            yield (
                f"features.sets: a feature set reads no other one, so that none can depend on itself (seen: "
                f"{', '.join(self.features.sets)}); land what both need as a source of each, or make them one set"
            )

    @classmethod
    def heading(cls, values: Mapping[str, Any]) -> str:
        """What an error about this set, made from `values`, begins with."""
        return f"The feature set {values.get('name', '?')!r}"

    @classmethod
    def whole(cls) -> str:
        """What an error calls the set as a whole, where no single field of it is wrong."""
        return "feature set"


def _promised(view: View, freshness: timedelta) -> View:
    return view if view.freshness is not None else view.model_copy(update={"freshness": freshness})

"""The section `streams`: raw sources that come as events of a topic, beside the partitions that land."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Literal, Self

from pydantic import Field, model_validator

from include.core.spec.base import Frozen, Name, OptionalName
from include.core.spec.features import View

ColumnType = Literal["text", "int", "float", "bool", "time"]


class Column(Frozen):
    """One field of an event, which is a column of its raw source."""

    name: Name
    """The field of the event's JSON object, and the column of the raw source."""

    type: ColumnType = "float"
    """One of `text`, `int` (64 bits), `float`, `bool`, or `time`: ISO 8601 text or milliseconds since 1970, kept in UTC."""

    required: bool = False
    """Whether an event without it is set aside. By default it is null there. The event's time and key are always required."""


class EventSource(Frozen):
    """Events of some topics, read as one raw source. Each event is a JSON object."""

    source: Name
    """The raw source, one of `data.sources`, that the events are the rows of."""

    topics: tuple[str, ...] = Field(min_length=1)
    """Topics of Kafka, or streams of Redis."""

    columns: tuple[Column, ...] = Field(min_length=1)
    """The columns that the source's SQL reads. Other fields of an event are passed over."""

    time: Name
    """The column of the event's time, of type `time`. It says to which partition the event belongs."""

    id: OptionalName = ""
    """The column that names an event: a second one of that name is passed over, for as long as the first is kept. By default
    events that were sent twice count twice, as they do in partitions that hold them twice."""

    @model_validator(mode="after")
    def _columns(self) -> Self:
        types = {column.name: column.type for column in self.columns}
        if len(types) < len(self.columns):
            raise ValueError("columns: a name is there twice")
        if types.get(self.time) != "time":
            raise ValueError(f"time: {self.time!r} must be one of the columns, of type 'time'")
        if self.id and self.id not in types:
            raise ValueError(f"id: {self.id!r} must be one of the columns")
        return self


class FinishedView(Frozen):
    """A view whose rows another engine computes, and sends to a topic."""

    view: Name
    """The view, one without vectors."""

    topic: str = Field(min_length=1)
    """The topic of its rows: a JSON object each, with the view's keys, `event_timestamp` and its features."""


class Streams(Frozen):
    """Which views are computed as events arrive (`slipstream stream`), by the SQL that computes their partitions."""

    sources: tuple[EventSource, ...] = ()
    """The sources that come as events. By default there are none."""

    views: tuple[Name, ...] = ()
    """The views that are computed from them. Their SQL reads no other source. By default all views."""

    key: OptionalName = ""
    """The column, of every source here, by which topics are partitioned. It is among the keys of each of these views, and their
    SQL puts no events of two keys together: so several consumers share the topics, and only what an event touches is
    computed anew. By default one consumer reads everything."""

    late: timedelta = Field(timedelta(hours=1), ge=timedelta(0), le=timedelta(days=31))
    """How far an event's time may lie behind the newest of its partition of the topic. Older ones are set aside."""

    window: timedelta | None = Field(None, gt=timedelta(0))
    """How far back a row's SQL looks, where that is less than the day and `data.lookback_days`: less is kept and read."""

    finished: tuple[FinishedView, ...] = ()
    """Views whose rows come finished, from Flink or Spark (`slipstream stream --rows`). By default none."""

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        sources = [each.source for each in self.sources]
        topics = [topic for each in self.sources for topic in each.topics]
        topics += [each.topic for each in self.finished]
        if len(set(sources)) < len(sources) or len(set(topics)) < len(topics):
            raise ValueError("sources: a source or a topic is there twice")
        for each in self.sources:
            if self.key and self.key not in {column.name for column in each.columns}:
                raise ValueError(f"key: {self.key!r} is no column of {each.source!r}")
        if not self.sources and (self.views or self.key):
            raise ValueError("sources: there are none, and views or key stand on them")
        return self

    def problems(self, sources: tuple[str, ...], views: Sequence[View]) -> list[str]:
        """What does not fit the rest of a spec: its raw sources, and its own views."""
        if not self.sources and not self.finished:
            return []
        keys = {view.name: view.keys for view in views}
        unknown = [each.source for each in self.sources if each.source not in sources]
        found = [f"streams.sources: {unknown} is none of data.sources"] if unknown else []
        if strange := [name for name in (*self.views, *(each.view for each in self.finished)) if name not in keys]:
            found.append(f"streams.views: {strange} is no view")
        apart = [name for name in (self.views or keys) if self.key and self.key not in keys.get(name, (self.key,))]
        if apart:
            found.append(
                f"streams.key: {self.key!r} is no key of view {apart}; leave such views out of streams.views, or the key"
            )
        if self.sources and not keys:
            found.append("streams.sources: there is no view to compute from them")
        finished = [view for view in views if view.name in {each.view for each in self.finished}]
        if vectors := [view.name for view in finished if any(each.dtype.startswith("vector") for each in view.features)]:
            found.append(
                f"streams.finished: view {vectors} has a vector, which a topic's rows have no form for; push it to the gateway"
            )
        return found

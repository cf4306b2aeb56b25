"""The days that a check reads: the newest that have landed, copied; else some that are made up from the declared columns."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow.parquet as pq

from include.authoring.synthetic import declared_columns, sources_of
from include.core.errors import DataError
from include.core.ledger import Ledger
from include.core.partition import Partition
from include.core.scratch import scratch_folder
from include.core.settings import Settings
from include.core.spec import FeatureSet, ModelSpec, PartitionOwner
from include.core.storage import LocalStorage, Storage
from include.data.landed import whole_days
from include.data.raw import RawPartitions
from include.row_rules.expectation import load_suite

SYNTHETIC_DAYS = 8


@dataclass(frozen=True)
class Sample:
    """Raw days in a storage of their own, whose ledger nobody else sees. It goes with the check."""

    spec: PartitionOwner
    ledger: Ledger
    settings: Settings
    days: tuple[Partition, ...]  # oldest first: those to make features of; their look-back is there as well
    synthetic: bool
    sets: tuple[Sample, ...] = ()  # of the feature sets that the model reads, in the same storage

    @property
    def model(self) -> ModelSpec:
        """Of a sample that more than features is made of."""
        assert isinstance(self.spec, ModelSpec)
        return self.spec

    @property
    def raw(self) -> RawPartitions:
        return RawPartitions.of(self.ledger.storage, self.spec)

    @property
    def words(self) -> str:
        between = f"{self.days[0]} to {self.days[-1]}" if len(self.days) > 1 else f"{self.days[0]}"
        kind = "synthetic days, made from the declared columns, since nothing has landed" if self.synthetic else "landed days"
        return f"{len(self.days)} {kind}: {between}"


@contextmanager
def open_sample(
    spec: PartitionOwner, storage: Storage, settings: Settings, days: int, sets: Sequence[FeatureSet] = ()
) -> Iterator[Sample]:
    """At most `days` of the newest landed days; synthetic ones where none has landed whole. `sets`: feature sets that the model
    reads, whose same days are there as well.

    Raises DataError where nothing has landed and a source declares no column.
    """
    with scratch_folder(settings.scratch()) as folder:
        here = replace(settings, home=folder, root=str(folder / "store"), registry="none", environ={})
        ledger = Ledger(LocalStorage(here.root))
        landed = whole_days(spec, storage)[-days:]
        wanted = landed or _synthetic_days(spec)
        shared = []
        for each in sets:
            there = [day for day in whole_days(each, storage) if min(wanted) <= day <= max(wanted)]
            _fill(each, storage, ledger.storage, there, wanted, folder / "fetched" / each.name)
            shared.append(Sample(each, ledger, here, tuple(there or wanted), synthetic=not there))
        _fill(spec, storage, ledger.storage, landed, wanted, folder / "fetched")
        yield Sample(spec, ledger, here, tuple(wanted), not landed, tuple(shared))


def _fill(
    spec: PartitionOwner, source: Storage, target: Storage, landed: list[Partition], days: list[Partition], folder: Path
) -> None:
    """The landed days, or where there is none, made up ones."""
    if landed:
        _copy(spec, source, target, landed, folder)
    else:
        _make(spec, target, days)


def _copy(spec: PartitionOwner, source: Storage, target: Storage, days: list[Partition], folder: Path) -> None:
    """Those days and their look-back, as far as it has landed."""
    raw = RawPartitions.of(source, spec)
    wanted = {each for day in days for each in spec.data.lookback(day)} | set(days)
    for name in spec.data.sources:
        for day in sorted(wanted):
            if raw.exists(name, day):
                place = folder / name / str(day)
                place.mkdir(parents=True)
                target.upload(source.fetch(raw.path(name, day), place), raw.path(name, day))


def _make(spec: PartitionOwner, target: Storage, days: list[Partition]) -> None:
    without = [source for source in spec.data.sources if not declared_columns(load_suite(spec.expectations, source).rules)]
    if without:
        raise DataError(
            f"Nothing has landed for {spec.name}, and its expectations declare no column of {', '.join(map(repr, without))}.",
            safe="nothing was read.",
            hint="declare the columns in expectations.py (columns(order_id='text', price='number')), or land a day: "
            f"{RawPartitions(target, spec.name).path(without[0], spec.data.earliest)} under the storage root.",
        )
    raw = RawPartitions.of(target, spec)
    for day in days:
        for source, table in sources_of(spec, day).items():
            written = io.BytesIO()
            pq.write_table(table, written)
            target.write(raw.path(source, day), written.getvalue())


def _synthetic_days(spec: PartitionOwner) -> list[Partition]:
    first = spec.data.earliest
    return spec.data.cadence.touching(first.start, first.start + SYNTHETIC_DAYS * first.length)

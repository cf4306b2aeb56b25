"""What was known of each question of a stretch of days, by the project's own feature SQL and point-in-time join.

No platform runs, and no ledger is written: a day's raw partitions become the datasets that its `features` step makes of them, in
files of a folder, which the join of training sets reads.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.parquet as pq

from include.core.catalog import load_spec
from include.core.digest import code_digest, digest_json
from include.core.spec import ModelSpec
from include.core.storage import LocalStorage
from include.core.time import days_between
from include.data.raw import RawPartitions
from include.data.session import open_session
from include.data.sql import parquet
from include.features.features_step import datasets
from include.features.offline.dataset import write
from include.features.offline.sources import open_sources
from include.point_in_time.join import point_in_time, value
from include.problems.of import rows_of

PACKAGE = "examples.models"
WORKERS = 2


def known_rows(name: str, root: Path, first: date, last: date, warm_up: int = 0, late: int = 1) -> pa.Table:
    """A row of each question that was asked from `first` to `last` and has a label: request_id, event_timestamp,
    label_timestamp, keys, features, label; in the order in which they were asked.

    `root` has the raw partitions of these days, and of those that they look back to. Views are made of `warm_up` days before
    `first` as well: of what was known then some still stands. Labels are read up to `late` days after `last`.
    """
    spec, days = load_spec(name, PACKAGE), days_between(first - timedelta(days=warm_up), last + timedelta(days=late))
    with TemporaryDirectory(dir=root) as folder:
        return _made(spec, root, Path(folder), days, first, last)


def _made(
    spec: ModelSpec, root: Path, folder: Path, days: Sequence[date], first: date, last: date, package: str = PACKAGE
) -> pa.Table:
    with ProcessPoolExecutor(WORKERS) as workers:
        list(workers.map(partial(make_day, spec.name, root, folder, package=package), days))
    return joined(spec, folder, first, last)


def kept_rows(
    name: str, root: Path, first: date, last: date, warm_up: int = 0, late: int = 1, package: str = PACKAGE
) -> pa.Table:
    """The same, from a file in `root` where an earlier bench has left one of the same raw days and the same code.

    One that was interrupted goes on with the days that it had made.
    """
    spec = load_spec(name, package)
    raw = RawPartitions(LocalStorage(root), name)
    since = max(spec.data.first, first - timedelta(days=warm_up + spec.data.lookback_days))
    landed = [raw.digests(source, since, last + timedelta(days=late)) for source in spec.data.sources]
    code = code_digest(spec.features.build, spec.features.entities, spec.features.labels, spec.expectations)
    digest = digest_json([landed, code, spec.features.model_dump(mode="json"), str(first), str(last)])
    path = root / f"rows-{digest[:12]}.parquet"
    if not path.exists():
        made = root / f"days-{digest[:12]}"
        made.mkdir(exist_ok=True)
        days = days_between(first - timedelta(days=warm_up), last + timedelta(days=late))
        pq.write_table(_made(spec, root, made, days, first, last, package), path)
        shutil.rmtree(made)
    return pq.read_table(path)


def make_day(name: str, root: Path, folder: Path, day: date, package: str = PACKAGE) -> None:
    """`{dataset}-{day}.parquet` of each view, the entities and the labels, unless they are all there."""
    spec = load_spec(name, package)
    names = [f"{each}-{day}.parquet" for each in dataset_names(spec)]
    if all((folder / each).exists() for each in names):
        return
    raw = RawPartitions(LocalStorage(root), name, spec.data.empty_days)
    since = max(spec.data.first, day - timedelta(days=spec.data.lookback_days))
    partitions = {source: raw.digests(source, since, day) for source in spec.data.sources}
    with TemporaryDirectory(dir=folder) as text:
        scratch = Path(text)
        files = [scratch / each for each in names]
        with open_sources(raw, partitions, day, spec.expectations, scratch / "raw", files) as connection:
            for dataset, sql in datasets(spec.features, day, connection, {}, rows_of(spec)):
                write(connection, dataset, sql, day, scratch / f"{dataset.name}-{day}.parquet")
        for each in names:
            os.replace(scratch / each, folder / each)


def joined(spec: ModelSpec, folder: Path, first: date, last: date) -> pa.Table:
    """The files of `make_day`, joined point in time."""
    features = spec.features
    files = {each: _files(folder, each) for each in dataset_names(spec)}
    asked = f"""(
        SELECT entity.*, "{spec.label}", label_timestamp FROM {parquet(files["entities"])} AS entity
        JOIN {parquet(files["labels"])} AS told USING (request_id)
        WHERE event_timestamp >= TIMESTAMP '{first}' AND event_timestamp < TIMESTAMP '{last}' + INTERVAL 1 DAY
            AND label_timestamp >= event_timestamp AND "{spec.label}" IS NOT NULL
    )"""
    named = ("request_id", "event_timestamp", "label_timestamp", *features.keys, *rows_of(spec).get("columns", ()))
    keys = [f'entity."{each}"' for each in named]
    own = [value(f'entity."{each.name}"', each) for each in features.request]
    with open_session() as connection:
        sql = point_in_time(features.views, files, asked, keys, [*own, f'entity."{spec.label}"'])
        return connection.sql(f"FROM ({sql}) ORDER BY event_timestamp, request_id").to_arrow_table()


def dataset_names(spec: ModelSpec) -> list[str]:
    return [*(view.name for view in spec.features.views), "entities", "labels"]


def between(table: pa.Table, first: date, last: date) -> pa.Table:
    """The rows that were asked from the first to the last of these days."""
    import pyarrow.compute as pc

    asked = pc.cast(table["event_timestamp"], pa.date32())
    return table.filter(pc.and_(pc.greater_equal(asked, pa.scalar(first)), pc.less_equal(asked, pa.scalar(last))))


def known_by(table: pa.Table, moment: date) -> pa.Table:
    """The rows whose label had come before that day."""
    import pyarrow.compute as pc

    return table.filter(pc.less(pc.cast(table["label_timestamp"], pa.date32()), pa.scalar(moment)))


def _files(folder: Path, dataset: str) -> list[str]:
    return sorted(str(path) for path in _dated(folder.glob(f"{dataset}-*.parquet"), dataset))


def _dated(paths: Iterable[Path], dataset: str) -> list[Path]:
    """Those of the dataset itself: another's name may begin with it."""
    return [path for path in paths if len(path.stem) == len(dataset) + len("-2013-01-01")]

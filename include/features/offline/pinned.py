"""A day's rows of earlier definitions: those that routed models pin, and that the code no longer holds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from include.core.ledger import Ledger
from include.core.partition import Cadence, Partition
from include.core.request import Result
from include.data.authored import admitted
from include.data.raw import RawPartitions
from include.data.session import open_session
from include.features.offline.dataset import of_view, write
from include.features.offline.newest import newest_rows
from include.features.offline.sources import open_sources
from include.model_contract.definition import Definition


def pinned_rows(
    ledger: Ledger, result: Result, definitions: Sequence[Definition], scratch: Path
) -> Iterator[tuple[Definition, pa.Table]]:
    """Each definition's newest row of each key, from the raw partitions that the day's `features` result was made of.

    Raises DataError if those have changed since, or no longer have what the definition reads.
    """
    if not definitions:
        return
    made = ledger.request(result.key)
    day, empty = Partition.read(result.value), bool(made.params.get("empty_days"))
    raw = RawPartitions(ledger.storage, made.model, empty, Cadence.read(made.params))
    paths = [scratch / f"earlier-{place}.parquet" for place in range(len(definitions))]
    with open_sources(raw, made.params["partitions"], day, made.params["expectations"], scratch / "raw", paths) as connection:
        connection.execute("USE memory.main")
        for each, path in zip(definitions, paths, strict=True):
            write(connection, of_view(each.view), admitted(connection, each.view.name, each.on(day)), day, path)
            with open_session() as reading:
                yield each, newest_rows(reading, each.view, path)

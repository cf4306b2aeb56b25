"""Published days as local, digest-checked Parquet files by dataset."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from include.core.ledger import Ledger
from include.core.partition import Partition
from include.core.request import Ref, Result

DailyFiles = dict[str, list[str]]  # dataset name (a view's, `entities`, `labels`) to paths, oldest day first


def daily_files(ledger: Ledger, days: Mapping[str, Ref], folder: Path, only: Iterable[str] = ()) -> DailyFiles:
    """Files of the `features` results of some days; `only` some datasets, by default all.

    Raises DataError and IntegrityError as the ledger does.
    """
    return files_of(ledger, results(ledger, days), folder, only)


def partition_of(name: str, result: Result) -> Partition:
    """The partition that a `features` result is of; a day of UTC by its name alone, as ever."""
    return Partition.read({"day": name, **result.value})


def results(ledger: Ledger, days: Mapping[str, Ref]) -> dict[str, Result]:
    """The `features` results of some days, oldest first."""
    with ThreadPoolExecutor(max_workers=8) as pool:
        return dict(zip(sorted(days), pool.map(lambda day: ledger.resolve(days[day]), sorted(days)), strict=True))


def files_of(ledger: Ledger, results: Mapping[str, Result], folder: Path, only: Iterable[str] = ()) -> DailyFiles:
    """The same of results that are known."""
    wanted = set(only)

    def fetch(day: str) -> dict[str, str]:
        result, scratch = results[day], folder / day
        scratch.mkdir(parents=True, exist_ok=True)
        names = [name for name in datasets(result) if not wanted or name in wanted]
        return {name: str(ledger.fetch(result, f"{name}.parquet", scratch)) for name in names}

    with ThreadPoolExecutor(max_workers=8) as pool:
        fetched = list(pool.map(fetch, sorted(results)))
    names = dict.fromkeys(name for files in fetched for name in files)
    return {name: [files[name] for files in fetched if name in files] for name in names}


def datasets(result: Result) -> list[str]:
    return [Path(name).stem for name in sorted(result.files)]

"""The template's files for partitions of another length than a day."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from include.core.errors import SpecError

DAY = "day"
EVERY = {
    "15min": timedelta(minutes=15),
    "30min": timedelta(minutes=30),
    "hour": timedelta(hours=1),
    "6h": timedelta(hours=6),
    DAY: timedelta(days=1),
    "week": timedelta(days=7),
}

SOURCES, FIRST_LINE = (
    '        sources=("orders", "outcomes"),\n',
    "        # Daily files raw/{model}/{source}/date=YYYY-MM-DD/part.parquet;",
)
FEATURES = {
    "from datetime import date\n": "from include.core.partition import Partition\n",
    "def views(day: date)": "def views(part: Partition)",
    "Rows of `day` alone.": "Rows of `part` alone.",
    "as the day begins": "as the partition begins",
    "\"TIMESTAMP '{day}'\"": "\"TIMESTAMP '{part.start}'\"",
    "`today.orders` is the day alone": "`today.orders` is the partition alone",
}


def require_template(like: str, every: str) -> None:
    """Raises SpecError for another model than the template: its SQL is of the days that it was written for."""
    if every != DAY and like != "template":
        raise SpecError(
            f"--every {every} is for the template: the SQL of {like!r} is written for partitions of its own length.",
            seen=like,
            safe="nothing was written.",
            hint="copy it as it is, then set data.every in its spec.py and write `build(partition)` (docs/authoring.md).",
        )


def set_cadence(folder: Path, every: str) -> None:
    """Have a copy of the template say how long its partitions are."""
    if every == DAY:
        return
    length = EVERY[every]
    spec, features = folder / "spec.py", folder / "features.py"
    lines = [SOURCES, f"        every={_written(length)},  # how long a partition is\n"]
    if length < EVERY[DAY]:
        lines.append("        empty_days=True,  # in so short a time nothing may happen\n")
    form = "week=YYYY-Www" if length > EVERY[DAY] else "date=YYYY-MM-DD/time=HHMM"
    named = f"        # Files raw/{{model}}/{{source}}/{form}/part.parquet;"
    _replace(spec, {SOURCES: "".join(lines), FIRST_LINE: named})
    _replace(features, FEATURES)


def _written(length: timedelta) -> str:
    """As Python."""
    if length >= EVERY[DAY]:
        return f"timedelta(days={length.days})"
    minutes = length // timedelta(minutes=1)
    return f"timedelta(minutes={minutes})" if minutes % 60 else f"timedelta(hours={minutes // 60})"


def _replace(path: Path, words: dict[str, str]) -> None:
    text = path.read_text()
    for old, new in words.items():
        if old not in text:
            raise SpecError(
                f"The template's {path.name} does not say {old.strip()!r}: its partitions are not set.", seen=str(path)
            )
        text = text.replace(old, new)
    path.write_text(text)

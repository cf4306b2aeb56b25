"""Which days are to be made again or were never made, the commands that do it, and the versions that were trained on them."""

from __future__ import annotations

from datetime import date

from include.cli.context import CliContext
from include.core.errors import DataError
from include.core.partition import Partition
from include.core.request import Ref
from include.core.spec import FeatureSet, PartitionOwner
from include.core.table import table
from include.data.published import published
from include.data.raw import RawPartitions
from include.features.offline.late import Digests, Made, late_days, made_of, ranges
from include.point_in_time.known import days_of
from include.versions.queries import training_sets

SHOWN = 40
LATE = {
    "late": "published days that were made from other raw partitions: `day`, `because`",
    "unmade": "days that have landed and are not published",
    "backfills": "the days to be made again, as ranges: `first`, `last`",
    "trained_on_late": "versions that were trained on such days: `model`, `version`, `stage`, `as_of`, `days`",
}


def print_late(context: CliContext, spec: PartitionOwner) -> dict[str, object]:
    """Print them; nothing where every day was made from what is there now. Every raw partition is read once.

    Returns them by the names of LATE.
    """
    raw, data = RawPartitions.of(context.ledger.storage, spec), spec.data
    known: dict[str, Made] = {}
    digests = Digests(trust_times=False)
    refs = published(context.control, spec.name, date.min, date.max)
    late = late_days(raw, data, made_of(context.ledger, refs, known), digests)
    whole = set.intersection(*(set(raw.days(source)) for source in data.sources))
    unmade = sorted(day for day in whole - set(refs) if data.holds(day))
    what = data.cadence.plural
    if late:
        print(f"\n{len(late)} published {what} of {spec.name} were made from other raw partitions than are there now:")
        print(table(("day", "because"), [(each.day, each.words) for each in late[:SHOWN]]))
        print_more(len(late))
    if unmade:
        print(f"\n{len(unmade)} {what} of {spec.name} have landed and are not published: {', '.join(map(str, unmade[:SHOWN]))}")
        print_more(len(unmade))
    if late or unmade:
        print_commands(spec, [*(each.day for each in late), *unmade], whole)
    return {
        "late": [{"day": each.day, "because": each.words} for each in late],
        "unmade": unmade,
        "backfills": as_ranges(spec, [*(each.day for each in late), *unmade], whole),
        "trained_on_late": _print_versions(context, spec, raw, digests, known),
    }


def print_more(count: int) -> None:
    if count > SHOWN:
        print(f"... and {count - SHOWN} more")


def as_ranges(spec: PartitionOwner, days: list[Partition], whole: set[Partition]) -> list[dict[str, Partition]]:
    """The days as ranges that a backfill takes."""
    return [
        {"first": first, "last": last} for first, last in (ranges(days, whole.__contains__, spec.data.cadence) if days else ())
    ]


def print_commands(spec: PartitionOwner, days: list[Partition], whole: set[Partition]) -> None:
    found = ranges(days, whole.__contains__, spec.data.cadence)
    also = ", one after the other (Airflow has one active backfill a DAG)" if len(found) > 1 else ""
    print(f"\nTo make them again, published and online{also}:")
    for first, last in found:
        start, end = spec.data.backfill(first, last)
        print(
            f"  airflow backfill create --dag-id {spec.name}_features --from-date {start} --to-date {end} "
            "--reprocess-behavior completed"
        )


def _print_versions(
    context: CliContext, spec: PartitionOwner, raw: RawPartitions, digests: Digests, known: dict[str, Made]
) -> list[dict[str, object]]:
    """Versions whose training set read days that would be made otherwise now, also where those are published anew since."""
    rows = []
    shared = isinstance(spec, FeatureSet)
    models = context.model_names() if shared else [spec.name]
    for model in models:
        for version, stage, as_of, training_set in training_sets(context.control, model):
            refs = _trained_on(context, spec, training_set, spec.name if shared else "")
            late = [each.day for each in late_days(raw, spec.data, made_of(context.ledger, refs, known), digests)]
            if late:
                rows.append((model, version, stage, as_of[:10], f"{len(late)} of {len(refs)}", late[0], late[-1]))
    if rows:
        print("\nVersions that were trained on such days (a version keeps what it was made from):")
        print(table(("model", "version", "stage", "as of", "days", "first", "last"), rows))
        dags = ", ".join(f"{model}_training" for model in dict.fromkeys(row[0] for row in rows))
        print(f"Once the days are made again, training makes a new one: trigger {dags} (as_of: as before, or none).")
    names = ("model", "version", "stage", "as_of", "days", "first", "last")
    return [dict(zip(names, row, strict=True)) for row in rows]


def _trained_on(context: CliContext, spec: PartitionOwner, training_set: Ref, owner: str) -> dict[Partition, Ref]:
    """The days that a training set read, of the model's own or of a feature set; none where it is gone."""
    try:
        inputs = context.ledger.request(context.ledger.resolve(training_set).key).inputs
    except (DataError, FileNotFoundError):
        return {}
    days = {name: ref for name, ref in inputs.items() if ref.kind == "features"}
    return {spec.data.cadence.parse(name): ref for name, ref in days_of(days, owner).items()}

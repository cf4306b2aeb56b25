"""Published days of another definition: listed, and computed, published again from what they were made of.

Without Airflow: where the day's verdict still stands, what is left to do is a function of what is stored. A day whose raw
partitions, or whose expectations, have changed since is to be validated again; that is the features DAG's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from include.cli.context import CliContext
from include.cli.late import SHOWN, as_ranges, print_commands, print_more
from include.core.compute import find_or_compute
from include.core.digest import code_digest
from include.core.errors import DataError, IntegrityError, NotReadyError, PermanentError
from include.core.partition import Partition
from include.core.request import Request, Result
from include.core.spec import PartitionOwner
from include.core.table import table
from include.data.landed import whole_days
from include.data.published import published
from include.features.offline.changed import Changed, changed_days
from include.features.request import FUNCTION, features_request, uses
from include.model_contract.view_version import versions
from include.notebook.days import publish_day
from include.validation.request import verdict_request

PUBLISHED = "published"
CHANGED = {
    "changed": "published days of another definition: `day`, `because`",
    "computed": "those that were computed again: `day`, `published`, `key`",
    "to_validate": "those that are to be validated again first, as ranges",
    "other_code": "days of the present views that other code made, as ranges",
}


def make_changed(context: CliContext, spec: PartitionOwner, *, dry_run: bool) -> dict[str, object]:
    """Say which days are of another definition, and make them again. Oldest first; interrupted, it goes on where it was.

    Returns them by the names of CHANGED.
    """
    days = _results(context, spec)
    changed = changed_days(days, versions(spec.features.computed))
    of_views = {each.day for each in changed}
    other = _print_other_code(context, spec, {day: each for day, each in days.items() if day not in of_views})
    if not changed:
        return {"changed": [], "computed": [], "to_validate": [], "other_code": other}
    print(f"{len(changed)} published days of {spec.name} were computed by another definition of its views:")
    print(table(("day", "because"), [(each.day, each.words) for each in changed[:SHOWN]]))
    print_more(len(changed))
    requests = {each.day: request for each in changed if (request := _request(context, spec, each, days[each.day])) is not None}
    rows: list[Sequence[object]] = []
    if dry_run:
        print(f"To be computed again, published and materialized: {len(requests)} of {len(changed)} days.")
    else:
        rows = _make(context, spec, requests)
    left = [each.day for each in changed if each.day not in requests]
    if left:
        print(f"{len(left)} of them are to be validated again first: their raw partitions or expectations have changed.")
        print_commands(spec, left, _whole(context, spec))
    print()
    return {
        "changed": [{"day": each.day, "because": each.words} for each in changed],
        "computed": [{"day": day, "published": words == PUBLISHED, "key": key} for day, words, key in rows],
        "to_validate": as_ranges(spec, left, set(whole_days(spec, context.ledger.storage))),
        "other_code": other,
    }


def _print_other_code(context: CliContext, spec: PartitionOwner, days: Mapping[Partition, Result]) -> list[dict[str, Partition]]:
    """Views have versions. Of what else a day is made of, entities, labels and the rules of quarantine, only the code's digest
    is known, which Slipstream's own releases change as well: that is said, and left to a person."""
    present = code_digest(FUNCTION, *uses(spec))
    other = [day for day, made in days.items() if _code(context, made) not in ("", present)]
    if other:
        print(
            f"{len(other)} published days of {spec.name} ({min(other)} to {max(other)}) have the present views, and were made by "
            "other code of the entities, labels or expectations, or by another release of Slipstream. Nothing is done about them."
        )
        print_commands(spec, other, _whole(context, spec))
        print()
    return as_ranges(spec, other, set(whole_days(spec, context.ledger.storage)) if other else set())


def _code(context: CliContext, made: Result) -> str:
    try:
        return context.ledger.request(made.key).code
    except (IntegrityError, FileNotFoundError):
        return ""


def _whole(context: CliContext, spec: PartitionOwner) -> set[Partition]:
    """The days that have landed with all their sources."""
    return set(whole_days(spec, context.ledger.storage))


def _results(context: CliContext, spec: PartitionOwner) -> dict[Partition, Result]:
    """Of all published days; without those whose result is gone or damaged, which say nothing."""
    found: dict[Partition, Result] = {}
    for day, ref in published(context.control, spec.name, date.min, date.max).items():
        try:
            found[day] = context.ledger.resolve(ref)
        except (PermanentError, FileNotFoundError):
            continue
    return found


def _request(context: CliContext, spec: PartitionOwner, changed: Changed, made: Result) -> Request | None:
    """What computes the day now, if its verdict is of the partitions and expectations that are there."""
    try:
        verdict = context.ledger.request(made.key).inputs["verdict"]
        if context.ledger.resolve(verdict).key != verdict_request(spec, changed.day, context.ledger.storage).key:
            return None
        return features_request(spec, changed.day, context.ledger.storage, verdict)
    except (NotReadyError, DataError, IntegrityError, FileNotFoundError, KeyError):
        return None


def _make(context: CliContext, spec: PartitionOwner, requests: Mapping[Partition, Request]) -> list[Sequence[object]]:
    rows: list[Sequence[object]] = []
    for day, request in requests.items():
        made = find_or_compute(request, context.ledger, context.settings)
        changed = publish_day(context, spec, day, request, made, context.actor)
        rows.append((day, PUBLISHED if changed else "published already", made.result.key))
    print(f"Computed again ({len(rows)} days):")
    print(table(("day", "", "key"), rows))
    return rows

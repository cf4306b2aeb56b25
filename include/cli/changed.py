"""Published days of another definition: listed, and computed, published again from what they were made of.

Without Airflow: where the day's verdict still stands, what is left to do is a function of what is stored. A day whose raw
partitions, or whose expectations, have changed since is to be validated again; that is the features DAG's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from include.cli.context import Desk
from include.cli.late import SHOWN, print_commands, print_more
from include.core.advisory_lock import exclusive
from include.core.digest import code_digest
from include.core.errors import DataError, IntegrityError, NotReadyError, PermanentError, SupersededError
from include.core.request import Request, Result
from include.core.spec import ModelSpec
from include.core.table import table
from include.core.task import perform
from include.data.published import publish, published, resource
from include.data.raw import RawPartitions
from include.features.offline.changed import Changed, changed_days
from include.features.request import FUNCTION, features_request, uses
from include.model_contract.view_version import versions
from include.validation.request import verdict_request


def make_changed(desk: Desk, spec: ModelSpec, *, dry_run: bool) -> None:
    """Say which days are of another definition, and make them again. Oldest first; interrupted, it goes on where it was."""
    days = _results(desk, spec)
    changed = changed_days(days, versions(spec.features))
    _print_other_code(desk, spec, {day: each for day, each in days.items() if day not in {each.day for each in changed}})
    if not changed:
        return
    print(f"{len(changed)} published days of {spec.name} were computed by another definition of its views:")
    print(table(("day", "because"), [(each.day, each.words) for each in changed[:SHOWN]]))
    print_more(len(changed))
    requests = {each.day: request for each in changed if (request := _request(desk, spec, each, days[each.day])) is not None}
    if dry_run:
        print(f"To be computed again, published and materialized: {len(requests)} of {len(changed)} days.")
    else:
        _make(desk, spec, requests)
    left = [each.day for each in changed if each.day not in requests]
    if left:
        print(f"{len(left)} of them are to be validated again first: their raw partitions or expectations have changed.")
        print_commands(spec, left, _whole(desk, spec))
    print()


def _print_other_code(desk: Desk, spec: ModelSpec, days: Mapping[date, Result]) -> None:
    """Views have versions. Of what else a day is made of, entities, labels and the rules of quarantine, only the code's digest
    is known, which Slipstream's own releases change as well: that is said, and left to a person."""
    present = code_digest(FUNCTION, *uses(spec))
    other = [day for day, made in days.items() if _code(desk, made) not in ("", present)]
    if other:
        print(
            f"{len(other)} published days of {spec.name} ({min(other)} to {max(other)}) have the present views, and were made by "
            "other code of the entities, labels or expectations, or by another release of Slipstream. Nothing is done about them."
        )
        print_commands(spec, other, _whole(desk, spec))
        print()


def _code(desk: Desk, made: Result) -> str:
    try:
        return desk.ledger.request(made.key).code
    except (IntegrityError, FileNotFoundError):
        return ""


def _whole(desk: Desk, spec: ModelSpec) -> set[date]:
    """The days that have landed with all their sources."""
    raw = RawPartitions(desk.ledger.storage, spec.name)
    return set.intersection(*(set(raw.days(source)) for source in spec.data.sources))


def _results(desk: Desk, spec: ModelSpec) -> dict[date, Result]:
    """Of all published days; without those whose result is gone or damaged, which say nothing."""
    found: dict[date, Result] = {}
    for day, ref in published(desk.control, spec.name, date.min, date.max).items():
        try:
            found[day] = desk.ledger.resolve(ref)
        except (PermanentError, FileNotFoundError):
            continue
    return found


def _request(desk: Desk, spec: ModelSpec, changed: Changed, made: Result) -> Request | None:
    """What computes the day now, if its verdict is of the partitions and expectations that are there."""
    try:
        verdict = desk.ledger.request(made.key).inputs["verdict"]
        if desk.ledger.resolve(verdict).key != verdict_request(spec, changed.day, desk.ledger.storage).key:
            return None
        return features_request(spec, changed.day, desk.ledger.storage, verdict)
    except (NotReadyError, DataError, IntegrityError, FileNotFoundError, KeyError):
        return None


def _make(desk: Desk, spec: ModelSpec, requests: Mapping[date, Request]) -> None:
    rows: list[Sequence[object]] = []
    for day, request in requests.items():
        result = _compute(desk, request)
        rows.append((day, "published" if _publish(desk, spec, day, request, result) else "published already", result.key))
    print(f"Computed again ({len(rows)} days):")
    print(table(("day", "", "key"), rows))


def _compute(desk: Desk, request: Request) -> Result:
    ledger = desk.ledger
    ledger.record(request)
    generation = ledger.generation(request.key)
    known = ledger.result(request.key, generation)
    if known is not None and (broken := ledger.verify(known)):
        generation = ledger.open_generation(request.key, f"repair:g{generation}", f"damaged: {', '.join(broken)}")
        known = ledger.result(request.key, generation)
    return known or perform(request, ledger.open_attempt(request.key, generation), ledger, desk.settings)


def _publish(desk: Desk, spec: ModelSpec, day: date, request: Request, result: Result) -> bool:
    with exclusive(desk.control, resource(spec.name, day), desk.actor) as epoch:
        if features_request(spec, day, desk.ledger.storage, request.inputs["verdict"]).key != request.key:
            raise SupersededError(
                f"The raw partitions of {day}, or the code, have changed while its features were computed.",
                seen=request.key,
                safe="the published partition stays.",
                hint=f"slipstream features catch-up {spec.name} again.",
            )
        ref = desk.ledger.ref(result)
        return publish(desk.control, spec.name, day, ref, result.value["rows"], epoch, spec.data.minimum_share)

"""Versions that their model's rule (`data.retention.versions`) keeps no longer, and that nobody needs: they are given up.

One transaction looks once more whether anybody needs the version and, where nobody does, says that it is given up, with a row of
the audit. Whoever routes to a version asks for that in their own transaction (`require_kept_in`), so a restore at the same
moment either comes first, and then the version is kept, or is refused. What follows is repeated until it is done, by this run or
a later one: a mark at each of its results, the registry's entry, and the files, by the steps of every result that nobody needs.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from include.core import fault
from include.core.control import ControlStore
from include.core.given_up import MARK, given_up_mark, place_of
from include.core.ledger import Ledger
from include.core.request import Ref
from include.core.spec import ModelSpec, VersionsKept
from include.core.time import ONE_DAY, instant
from include.governance.mirror import behind as labels_behind
from include.governance.numbers import numbers_of
from include.retention.finding import Finding, Kind
from include.retention.holdings import Holding, Place
from include.retention.released import Released, inputs_of, released_in
from include.retention.version_use import behind, last_uses_in, needs_in
from include.versions.given_up import ACT, give_up_in, given_up_in, lock_in, one_in, registered_in
from include.versions.queries import REFERENCES, stored_in

IMPORT = "import"  # the step (include/governance/import_step.py)
GIVEN_UP, FOLLOWS = "given up", "recorded"
UNSIGNED = "there is no key to sign its dossier with, which a regulated model keeps: slipstream dossier key --new"


@dataclass(frozen=True)
class Releasing:
    """What the giving up of versions needs beside the stores. `at_work`: whether something that has no result may still get one.
    `dossier`: makes, signs and keeps that of a version that was last of use then, and returns its path; None where nothing can
    sign."""

    actor: str
    now: datetime
    at_work: Callable[[Place], bool]
    dossier: Callable[[str, int, str], str] | None = None


@dataclass
class Looked:
    """What was found: what is due, and the versions that the rule would take but for somebody who needs them, with why."""

    due: list[Finding] = field(default_factory=list)
    kept: dict[str, str] = field(default_factory=dict)


def rule_words(rule: VersionsKept) -> str:
    return f"data.retention.versions (days={rule.days}, keep={rule.keep})"


def find(ledger: Ledger, control: ControlStore, spec: ModelSpec, there: Mapping[Place, Holding], releasing: Releasing) -> Looked:
    """Of one model. To find is to change nothing."""
    looked, rule = Looked(), spec.data.retention.versions
    if rule is None:
        return looked
    with control.transaction() as connection:
        over = _over(registered_in(connection, spec.name), last_uses_in(connection, spec.name), rule, releasing.now)
        gone = {version for _, version in given_up_in(connection, spec.name)}
        needed, stored = needs_in(connection, spec.name, spec), stored_in(connection, spec.name)
    over = {version: last for version, last in over.items() if version not in gone}
    if not over:
        return looked
    with control.transaction() as connection:
        before = released_in(connection)
    late, at_work = _unsigned(spec, releasing) or behind(control, spec), _at_work(ledger, there, releasing)
    for version, last in over.items():
        working = next((key for ref in _refs(stored[version]) for key in at_work.get(place_of(ref), ())), "")
        if why := needed.get(version) or late or (f"{working} works with it" if working else ""):
            looked.kept[_name(spec.name, version)] = why
        else:
            looked.due.append(_finding(ledger, control, spec, (version, last), there, releasing, before))
    return looked


def follow_up(ledger: Ledger, control: ControlStore, there: Mapping[Place, Holding]) -> Iterator[Finding]:
    """Of all models: what is still to follow for versions that were given up, since a run was cut off."""
    with control.transaction() as connection:
        released = released_in(connection)
    unmarked: dict[str, list[Place]] = {}
    for place, mark in released.marks.items():
        if place in there and MARK not in there[place].files:
            unmarked.setdefault(_name(mark.model, mark.version), []).append(place)
    for name, places in unmarked.items():
        act = partial(_mark, ledger, control, tuple(places))
        yield Finding(Kind.VERSION, name, FOLLOWS, 0, len(places), False, act, "a run was cut off")


def show(control: ControlStore, shown: Callable[[str], None]) -> None:
    """Have the registry follow, for models of which versions were given up since it was last seen to."""
    with control.transaction() as connection:
        gone = {model for model, _ in given_up_in(connection)}
    for each in labels_behind(control) if gone else ():
        if each.model in gone:
            shown(each.model)
            fault.point("gc.version.shown")


def imported(ledger: Ledger, control: ControlStore, there: Mapping[Place, Holding], now: datetime) -> Iterator[Finding]:
    """The bytes of models that were trained elsewhere, as they were given, once what was made of them is gone; not of one that
    somebody has brought again today."""
    with control.transaction() as connection:
        released = released_in(connection)
    gone = [key for key, number in released.marks if key.startswith(f"{IMPORT}/") and not _has_result(there, key, number)]
    if not gone:
        return
    used = {_given(ledger, key) for key, _ in there if key.startswith(f"{IMPORT}/") and key not in released.keys}
    for path in sorted({_given(ledger, key) for key in gone} - used - {""}):
        folder = path.rpartition("/")[0]
        brought = dict(ledger.storage.changed(folder))
        for found, size in ledger.storage.sizes(folder):
            if found == path and now - brought.get(path, now) >= ONE_DAY:
                yield Finding(Kind.VERSION, path, "removed", size, 1, True, partial(_delete, ledger, path))


def _has_result(there: Mapping[Place, Holding], key: str, generation: int) -> bool:
    return (key, generation) in there and there[key, generation].has_result


def _given(ledger: Ledger, key: str) -> str:
    """Where the bytes of an imported model lie; empty where that cannot be read."""
    try:
        return str(ledger.request(key).params["source"]["path"])
    except (FileNotFoundError, KeyError, TypeError):
        return ""


def _delete(ledger: Ledger, path: str) -> bool:
    ledger.storage.delete(path)
    return True


def _unsigned(spec: ModelSpec, releasing: Releasing) -> str:
    return UNSIGNED if spec.profile != "standard" and releasing.dossier is None else ""


def _over(registered: Sequence[tuple[int, str]], last: Mapping[int, str], rule: VersionsKept, now: datetime) -> dict[int, str]:
    """The versions that the rule keeps no longer, the oldest first, and when each was last of use."""
    old = [version for version, _ in registered][: -rule.keep]
    return {version: last[version] for version in old if instant(last[version]) + timedelta(days=rule.days) <= now}


def _at_work(ledger: Ledger, there: Mapping[Place, Holding], releasing: Releasing) -> dict[Place | None, list[str]]:
    """By result, the keys of what is being computed from it: of a training that began from its weights, say."""
    found: dict[Place | None, list[str]] = {}
    for place, holding in there.items():
        if not holding.has_result and holding.contents and releasing.at_work(place):
            for each in inputs_of(ledger, holding.key):
                found.setdefault(each, []).append(holding.key)
    return found


def _finding(
    ledger: Ledger, control: ControlStore, spec: ModelSpec, due: tuple[int, str], there: Mapping[Place, Holding],
    releasing: Releasing, before: Released,
) -> Finding:  # fmt: skip
    version, last = due
    with control.transaction() as connection:
        after = released_in(connection, [(spec.name, version)])
    free = [holding for place, holding in there.items() if place in after and place not in before]
    size = sum(stored.bytes for holding in free for stored in holding.contents.values())
    files = sum(len(holding.contents) for holding in free)
    rule = spec.data.retention.versions
    assert rule is not None
    why = f"last of use on {last[:10]}, and not among the newest {rule.keep}: {rule_words(rule)}"
    act = partial(_give_up, ledger, control, spec, due, releasing)
    return Finding(Kind.VERSION, _name(spec.name, version), GIVEN_UP, size, files, False, act, why)


def _give_up(ledger: Ledger, control: ControlStore, spec: ModelSpec, due: tuple[int, str], releasing: Releasing) -> bool:
    """False where somebody needs it by now, or its dossier cannot be made."""
    version, last = due
    rule = spec.data.retention.versions
    assert rule is not None
    if _unsigned(spec, releasing) or behind(control, spec):
        return False
    with control.transaction() as connection:
        record = stored_in(connection, spec.name)[version]
    kept = releasing.dossier(spec.name, version, last) if releasing.dossier is not None and spec.profile != "standard" else ""
    body: dict[str, Any] = {"rule": rule_words(rule), "last": last, "by": releasing.actor, "dossier": kept}
    body["kept"] = numbers_of(ledger, record)
    fault.point("gc.version.looked")
    with control.transaction() as connection:
        lock_in(connection, spec.name, version)
        if one_in(connection, spec.name, version) is None:
            fault.point("gc.version.locked")
            over = _over(registered_in(connection, spec.name), last_uses_in(connection, spec.name), rule, releasing.now)
            if version in needs_in(connection, spec.name, spec) or version not in over:
                return False
            detail = {"version": version, "semver": record.get("semver", ""), **{n: body[n] for n in ("rule", "last", "dossier")}}
            control.append_audit(connection, releasing.actor, ACT, spec.name, detail)
            give_up_in(connection, spec.name, version, body)
    fault.point("gc.version.given_up")
    return _mark(ledger, control, [place for ref in _refs(record) if (place := place_of(ref)) is not None])


def _mark(ledger: Ledger, control: ControlStore, places: Collection[Place]) -> bool:
    """Say at the results why they go. Repeated at will."""
    with control.transaction() as connection:
        marks = released_in(connection).marks
    for key, generation in places:
        if (mark := marks.get((key, generation))) is not None:
            mark.keep(ledger.storage, given_up_mark(key, generation))
            fault.point("gc.version.marked")
    return True


def _refs(record: Mapping[str, Any]) -> list[Ref]:
    return [Ref.from_json(record[name]) for name in REFERENCES if name in record]


def _name(model: str, version: int) -> str:
    return f"{model} version {version}"

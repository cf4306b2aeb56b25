"""SQL of a partition with its times as distances, so that it can be had for any other partition without the code.

    {{day-7}}                          a date, so many days from the partition's own
    {{start-360 %Y-%m-%d %H:%M:%S}}    a moment, so many minutes from where the partition begins; `end`: from where it ends
    {{week-1}}                         a week, so many from the partition's own

What stands where is found by comparing the SQL of a few partitions: what is said of a place must give each of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta

from include.core.partition import ONE_MINUTE, ONE_WEEK, Cadence, Partition
from include.core.time import ONE_DAY
from include.model_contract.view_version import DAY

OTHER = date(2008, 11, 27)  # a second day, to see what differs between two
SUMMER = date(2005, 7, 14)
YEAR = date(2005, 1, 1), date(2005, 12, 31)  # whose days of other lengths than 24 hours are compared as well
_DATE = re.compile(r"(?<!\d)\d{4}-\d{2}-\d{2}(?!\d)")
_MOMENT = re.compile(r"(?<!\d)(?:\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2})?)?(?!\d)|\d{4}-W\d{2}(?!\d))")
_PLACE = re.compile(r"\{\{(day|start|end|week)([+-]\d+)?(?: ([^}]+))?\}\}")
FORMS = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M")


def samples(cadence: Cadence) -> list[Partition]:
    """Partitions whose SQL is compared: two days; of what is finer the first of one and the last of another; of a zone's those
    of other lengths as well."""
    one, other = cadence.on(DAY), cadence.on(OTHER)
    if cadence.is_daily:
        return [one, other]
    unlike = {each.length: each for each in cadence.within_days(*YEAR)} if cadence.every >= ONE_DAY else {}
    last = cadence.at(cadence.end_of_day(OTHER) - ONE_MINUTE)
    return [one, last, cadence.at(cadence.on(SUMMER).start + ONE_DAY / 2), *unlike.values()]


def template(given: Sequence[str], cadence: Cadence) -> str:
    """The SQL of the samples as one, if one gives them all; else ""."""
    places, partitions = _DATE if cadence.is_daily else _MOMENT, samples(cadence)
    rest = places.split(given[0])
    if any(places.split(each) != rest for each in given) or _PLACE.search(given[0]) or "{{day" in given[0]:
        return ""
    texts = list(zip(*(places.findall(each) for each in given), strict=True))
    named = [_named(seen, cadence, partitions) for seen in texts]
    if None in named:
        return ""
    return rest[0] + "".join(f"{place}{after}" for place, after in zip(named, rest[1:], strict=True))


def filled(sql: str, cadence: Cadence, partition: Partition) -> str:
    """The SQL of a partition, from a template."""
    return _PLACE.sub(lambda found: _text(found[1], int(found[2] or 0), found[3] or "", cadence, partition), sql)


def _text(anchor: str, distance: int, form: str, cadence: Cadence, partition: Partition) -> str:
    if anchor == "day":
        return f"{cadence.date_of(partition) + timedelta(days=distance)}{form}"
    if anchor == "week":
        return cadence.on(cadence.date_of(partition) + distance * ONE_WEEK).name
    moment = partition.start if anchor == "start" else partition.end
    return (moment + distance * ONE_MINUTE).strftime(form)


def _named(seen: Sequence[str], cadence: Cadence, partitions: Sequence[Partition]) -> str | None:
    """What stands at a place, given its texts in each sample: a constant, or the first anchor that gives them all."""
    if len(set(seen)) == 1:
        return seen[0] if _is_time(seen[0]) else None
    for anchor, distance, form in _guesses(seen[0], cadence, partitions[0]):
        told = (_text(anchor, distance, form, cadence, partition) for partition in partitions)
        if all(one == other for one, other in zip(told, seen, strict=True)):
            return f"{{{{{anchor}{f'{distance:+d}' if distance else ''}{f' {form}' if form else ''}}}}}"
    return None


def _guesses(text: str, cadence: Cadence, partition: Partition) -> Iterator[tuple[str, int, str]]:
    """What the text may be of the first sample."""
    try:
        if "W" in text:
            monday = date.fromisocalendar(int(text[:4]), int(text[6:]), 1)
            yield "week", (monday - cadence.date_of(partition)) // ONE_WEEK, ""
            return
        day = date.fromisoformat(text[:10])
        form = next((form for form in FORMS if _is(text, form)), None)
        if form is not None:
            moment = datetime.fromisoformat(text)
            yield "start", (moment - partition.start) // ONE_MINUTE, form
            yield "end", (moment - partition.end) // ONE_MINUTE, form
        yield "day", (day - cadence.date_of(partition)).days, text[10:]
    except ValueError:  # digits that look like a date
        return


def _is_time(text: str) -> bool:
    """Whether a calendar has it: of digits that only look like a time nothing is known."""
    try:
        return bool(date.fromisocalendar(int(text[:4]), int(text[6:]), 1) if "W" in text else date.fromisoformat(text[:10]))
    except ValueError:
        return False


def _is(text: str, form: str) -> bool:
    try:
        return datetime.strptime(text, form).strftime(form) == text  # noqa: DTZ007 - UTC without a zone, as partitions are
    except ValueError:
        return False

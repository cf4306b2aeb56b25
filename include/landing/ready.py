"""Whether a warehouse has a day: a partition of the Glue catalogue, and a question to the engine."""

from __future__ import annotations

import time

from include.core.digest import digest_json
from include.core.errors import JobFailedError, PermanentError, SpecError
from include.core.partition import Partition
from include.core.ports import AwsAccess
from include.core.spec import Warehouse as Section
from include.core.time import now
from include.landing.request import bounds_of
from include.landing.warehouse import Order, State, Warehouse, open_catalogue, open_warehouse

ANSWER_SECONDS = 300.0  # that the engine may take to answer
LOOK_SECONDS = 1.0


def lacks(section: Section, day: Partition, aws: AwsAccess, every_seconds: float, look_seconds: float = LOOK_SECONDS) -> str:
    """What the warehouse lacks of a day, in words; empty: the day is there, by each of the two ways that the spec names.

    Asked again within `every_seconds` it is the engine's same query, which costs nothing more. Raises SpecError where the spec
    names no way, PermanentError where the engine refuses the question, TransientError where it may answer later.
    """
    question = getattr(section, "ready", "")
    if not section.table and not question:
        raise SpecError(
            f"The spec does not say how to know that the warehouse has a day of {section.source}.",
            hint="data.warehouse: table= and partition= name a partition of the Glue catalogue; ready= is a question.",
        )
    order = _order(section, day, question, every_seconds)
    if section.table:
        values = [order.fill(value) for value in section.partition]
        if not open_catalogue(aws)(section.table, values):
            return f"the partition {values} of {section.table}"
    if question and not _answer(open_warehouse(section.model_dump(mode="json"), aws), order, look_seconds):
        return f"a row of: {order.fill(question)}"
    return ""


def _order(section: Section, day: Partition, question: str, every_seconds: float) -> Order:
    turn = int(now().timestamp() // max(every_seconds, 1.0))
    token = digest_json(["slipstream question", section.model_dump(mode="json"), question, day.name, turn])
    return Order(*bounds_of(day, day), "", token)


def _answer(warehouse: Warehouse, order: Order, look_seconds: float) -> bool:
    query, until = warehouse.ask(order), time.monotonic() + ANSWER_SECONDS
    while (seen := warehouse.look(query)).state is State.RUNNING:
        if time.monotonic() > until:
            raise JobFailedError(f"The question `ready` has no answer after {ANSWER_SECONDS:.0f} s.", seen=query)
        time.sleep(look_seconds)
    if seen.state is not State.DONE:
        kind = JobFailedError if seen.again or seen.state is State.LOST else PermanentError
        raise kind(f"The question `ready` failed: {seen.words or seen.state}", seen=query, hint="mend `ready` in data.warehouse.")
    return warehouse.answered(query)

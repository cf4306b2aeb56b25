"""The query of one attempt: started once, however often its task is killed, and found again by its number.

The token makes the start one: the service returns the query that it knows under it. It forgets tokens some time, so the number
is written down beside the attempt at once, by exclusive create: from then on nobody starts anything. Killed between the two and
gone on with after the token was forgotten, a second query finds the folder of the first one taken, or, of an engine that does
not look, the list of the second's files says which are its own.

An attempt is over when its query is and its rows were no good: the next one has another token and another folder.
"""

from __future__ import annotations

import json

from include.core import fault
from include.core.digest import canonical_json, digest_json
from include.core.errors import SpecError
from include.core.ledger import Attempt
from include.core.request import Request
from include.core.storage import Storage
from include.core.time import timestamp
from include.core.versioned import Format
from include.landing.request import asked_of, bounds_of
from include.landing.warehouse import Order, Warehouse

STARTED = Format("the query of a landing")


def folder(attempt: Attempt) -> str:
    """Where the engine writes, below the storage root."""
    return f"{attempt.folder}/unload-{attempt.number}"


def order_of(request: Request, attempt: Attempt, storage: Storage) -> Order:
    """Raises SpecError for a storage root that no warehouse can write to."""
    if not storage.root.startswith("s3://"):
        raise SpecError(
            "A warehouse writes to S3, and the storage root is no place of S3.",
            seen=storage.root,
            safe="no query was started.",
            hint="set SLIPSTREAM_ROOT=s3://bucket/prefix; on this machine land the day's file yourself.",
        )
    days = asked_of(request.params)
    # The root is part of the token: two installations with one spec and one account are two orders.
    token = digest_json(["slipstream landing", storage.root, attempt.key, attempt.generation, attempt.number])
    return Order(*bounds_of(days[0], days[-1]), f"{storage.uri(folder(attempt))}/", token)


def query_of(request: Request, attempt: Attempt, storage: Storage, warehouse: Warehouse) -> str:
    """The number of the attempt's query, which is started if nobody has."""
    path = f"{attempt.folder}/attempt-{attempt.number}.query.json"
    if (known := _read(path, storage)) is not None:
        return known
    query = warehouse.start(order_of(request, attempt, storage))
    fault.point("landing.started")
    storage.create(path, canonical_json(STARTED.stamp({"query": query, "at": timestamp()})))
    fault.point("landing.recorded")
    return _read(path, storage) or query  # another one of the same attempt may have been first


def _read(path: str, storage: Storage) -> str | None:
    try:
        return str(STARTED.read(json.loads(storage.read(path)), path)["query"])
    except FileNotFoundError:
        return None

"""How a generation of the ledger is given up, in three steps with time between them, each of which can be taken back.

    condemned   collected.json is there. Whoever asks for the key gets a new generation; references to this one still resolve.
    withdrawn   withdrawn.json is there, and holds what result.json said, which is gone: references resolve no more.
    removed     the files are gone. collected.json and open.json stay, and the key's request.json: no number is given twice.

A task that found the result before it was condemned has the first wait to use it, and to have it named in the control store:
then it is lifted. A task that resolved a reference before it was withdrawn has the second wait to write it down. Each step is
one exclusive create or one delete of what the step before has closed, so a kill between any two leaves a state that the next
run goes on from.
"""

from __future__ import annotations

import json
from enum import StrEnum

from include.core import fault
from include.core.digest import canonical_json
from include.core.ledger import Ledger, collected_mark
from include.core.storage import Storage
from include.core.time import timestamp
from include.core.versioned import Format
from include.retention.holdings import COLLECTED, RESULT, WITHDRAWN, Holding

FORMAT = Format("a mark of gc")


class State(StrEnum):
    PRESENT = "present"
    CONDEMNED = "condemned"
    WITHDRAWN = "withdrawn"
    REMOVED = "removed"


def state_of(holding: Holding) -> State:
    """How far it is."""
    if COLLECTED not in holding.files:
        return State.PRESENT
    if not holding.contents and WITHDRAWN not in holding.files:
        return State.REMOVED
    return State.WITHDRAWN if WITHDRAWN in holding.files and not holding.has_result else State.CONDEMNED


def condemn(ledger: Ledger, holding: Holding, why: str) -> None:
    """From now on nobody begins to use it."""
    fault.point("gc.condemn")
    mark = FORMAT.stamp({"at": timestamp(), "why": why})
    ledger.storage.create(collected_mark(holding.key, holding.generation), canonical_json(mark))
    fault.point("gc.condemned")


def withdraw(storage: Storage, holding: Holding) -> None:
    """From now on no reference to it resolves. What the result said is kept, for `lift`."""
    result, kept = f"{holding.folder}/{RESULT}", f"{holding.folder}/{WITHDRAWN}"
    text = storage.read(result).decode() if holding.has_result else None
    fault.point("gc.withdraw")
    storage.write(
        kept, canonical_json(FORMAT.stamp({"at": timestamp(), "result": text}))
    )  # again where it was cut off: it waits anew
    fault.point("gc.withdrawn.kept")
    storage.delete(result)
    fault.point("gc.withdrawn")


def remove(storage: Storage, holding: Holding) -> None:
    """Free what it holds: the very files that were listed. The mark that says it is withdrawn goes last."""
    for name in sorted(holding.contents):
        storage.delete(f"{holding.folder}/{name}")
        fault.point("gc.remove")
    storage.delete(f"{holding.folder}/{WITHDRAWN}")
    fault.point("gc.removed")


def lift(storage: Storage, holding: Holding) -> bool:
    """Take it back: somebody needs it, or has written to it since. False where files of its result are gone already."""
    kept = f"{holding.folder}/{WITHDRAWN}"
    if WITHDRAWN in holding.files:
        body = FORMAT.read(json.loads(storage.read(kept)), storage.uri(kept))
        if body["result"] is not None:
            if not _is_whole(holding, body["result"]):
                return False
            storage.create(f"{holding.folder}/{RESULT}", str(body["result"]).encode())
        fault.point("gc.lift")
        storage.delete(kept)
    storage.delete(f"{holding.folder}/{COLLECTED}")
    fault.point("gc.lifted")
    return True


def _is_whole(holding: Holding, result: str) -> bool:
    files = json.loads(result)["files"].values()
    return {file["path"].removeprefix(f"{holding.folder}/") for file in files} <= set(holding.files)

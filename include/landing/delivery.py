"""The landed days become raw partitions: each whole, by one atomic write, and by the newest landing alone."""

from __future__ import annotations

import logging
from typing import Literal

from include.core import fault
from include.core.advisory_lock import exclusive
from include.core.control import ControlStore
from include.core.documents import DocumentKind
from include.core.errors import SupersededError
from include.core.housekeeping import housekeeping
from include.core.ledger import Attempt, Ledger
from include.core.partition import Cadence, Partition
from include.core.request import Result
from include.core.scratch import scratch_folder
from include.core.storage import Storage
from include.core.versioned import Format
from include.data.raw import RawPartitions
from include.landing.query import folder
from include.step_values.landing import LandValue

LANDED = DocumentKind("landed", Format("which landing a raw partition is of"))
WAIT_SECONDS = 120.0  # for another landing of the same day, which writes it meanwhile
Delivered = Literal["written", "there", "left"]
log = logging.getLogger(__name__)


def deliver(result: Result, ledger: Ledger, control: ControlStore, holder: str) -> dict[str, Delivered]:
    """Write the days of a result of `land` to their places, oldest first. What it did, by day:

    written; there: with the same bytes; left: this landing wrote it before, and somebody has replaced it since.

    Killed anywhere, the next call does the rest. Raises SupersededError and FencedError where a newer landing has the day.
    """
    value = result.read(LandValue)
    request = ledger.request(result.key)
    place, cadence = _Place(ledger, control, request.model, value["source"], result), Cadence.read(request.params)
    return {day: place.deliver(cadence.parse(day), holder) for day in sorted(value["rows"])}


def clear_away(result: Result, storage: Storage) -> None:
    """Remove what the engine wrote for a result that is committed, and for the attempts before it."""
    with housekeeping(f"what a warehouse wrote for {result.key}"):
        for number in range(1, result.attempt + 1):
            storage.delete(folder(Attempt(result.key, result.generation, number)))


class _Place:
    """The raw partitions of one source, as a result brings them."""

    def __init__(self, ledger: Ledger, control: ControlStore, model: str, source: str, result: Result) -> None:
        self._ledger, self._control, self._source, self._result = ledger, control, source, result
        self._raw = RawPartitions(ledger.storage, model)
        self._of = f"{result.key}/g{result.generation}"

    def deliver(self, day: Partition, holder: str) -> Delivered:
        self._require_newest()
        resource = f"landing/{self._raw.model}/{self._source}/{day}"
        with exclusive(self._control, resource, holder, WAIT_SECONDS) as epoch:
            self._require_newest()
            done = self._write(day, resource, epoch)
            fault.point("landing.written")
            with self._control.transaction() as connection:
                self._control.fence(connection, resource, epoch)
                if done != "left":
                    LANDED.save_in(connection, f"{resource}/{epoch}", resource, {"of": self._of})
            fault.point("landing.noted")
        return done

    def _write(self, day: Partition, resource: str, epoch: int) -> Delivered:
        path, wanted = self._raw.path(self._source, day), self._result.files[f"{day}.parquet"].digest
        before = LANDED.newest(self._control, resource)
        if self._raw.exists(self._source, day):
            if self._raw.digest(self._source, day) == wanted:
                return "there"
            if before and before[0].body["of"] == self._of:
                log.warning(
                    "%s was replaced since this landing wrote it, and is left as it is. To ask the warehouse anew: run with "
                    "fresh=true.", self._raw.storage.uri(path),
                )  # fmt: skip
                return "left"
        with scratch_folder() as scratch:
            local = self._ledger.fetch(self._result, f"{day}.parquet", scratch)
            with self._control.transaction() as connection:  # as late as can be: an upload cannot be fenced itself
                self._control.fence(connection, resource, epoch)
            self._raw.storage.upload(local, path)
        return "written"

    def _require_newest(self) -> None:
        newest = self._ledger.generation(self._result.key)
        if newest > self._result.generation:
            raise SupersededError(
                f"Generation {self._result.generation} of {self._result.key} is no longer wanted: {newest} was opened.",
                safe="no partition was written.",
                hint="none: the task that opened it lands the days.",
            )

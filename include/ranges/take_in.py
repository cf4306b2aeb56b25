"""Taking in a range of days as one unit of work, each day by itself. Knows nothing of Airflow.

The days are made by processes beside each other (`pool`), published by this one in the order of the days, and brought online
a few chunks at a time. What is found done is not done again, so a run that was killed goes on where it was: the ledger has the
results, the control store what is published, and what is online. A day that fails is named at the end, and holds nothing up.

Two ranges over the same days share them: each takes a chunk by a lock that dies with its process, passes over those that
the other has, and looks at those once more when they are free. Nobody waits while there is work, and nothing is made twice.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field

from include.core import fault
from include.core.advisory_lock import FILES, advisory_lock
from include.core.control import ControlStore
from include.core.errors import DataError, JobFailedError, NotReadyError, SlipstreamError, TransientError, one_line
from include.core.ledger import Ledger
from include.core.partition import Partition
from include.core.request import Ref, Result
from include.core.settings import Settings
from include.core.spec import PartitionOwner
from include.online_store.store import OnlineStore
from include.ranges.known_raw import KnownRaw
from include.ranges.making import Failed, Made, Maker
from include.ranges.online import bring_online
from include.ranges.pool import Pool, open_pool
from include.ranges.progress import DONE, FAILED, Progress, Reporter, few
from include.ranges.publishing import Publisher
from include.ranges.span import Span, check
from include.ranges.status import take_in_command
from include.validation.kept import keep

AHEAD = 2  # chunks that are being made while one is published: no process waits for the online store
ONLINE = 4  # chunks that are brought online together: the feature store's registry takes its time however many days there are
Block = tuple[int, Span]  # a chunk, with its number
WAIT = 5.0  # seconds between two looks at days that another range has in hand


@dataclass(frozen=True)
class Range:
    """What is to be taken in, and with what.

    `run` names it to people; `holder` to attempts that are refused; `fresh` is the run's token where everything is to be
    computed anew, else empty. `workers`: processes at most, None one more than there are processors; 0: none but this one.
    """

    spec: PartitionOwner
    span: Span
    ledger: Ledger
    control: ControlStore
    settings: Settings
    store: Callable[[], OnlineStore]
    run: str
    holder: str
    fresh: str = ""
    workers: int | None = None
    say: Callable[[str], None] = print
    warn: Callable[[str], None] = print


def take_in(work: Range) -> Progress:
    """Every day of the range, published and online. Returns what was done.

    Raises DataError for days that the source does not have, before anything is done; at the end, DataError naming the days
    that could not be taken in, TransientError where all of them may pass by themselves.
    """
    check(work.spec, work.span, work.ledger.storage)
    progress = Progress(work.spec.name, work.run, str(work.span.first), str(work.span.last), len(work.span.days))
    reporter = Reporter(work.ledger.storage, progress, work.say)
    taking = _Taking(work, progress, reporter)
    try:
        taking.run()
    except BaseException:
        reporter.end(FAILED)
        raise
    reporter.end(FAILED if taking.errors else DONE)
    if taking.errors:
        raise _incomplete(work, progress, taking.errors)
    return progress


@dataclass
class _Chunk:
    """Days that this run holds, and what became of them."""

    span: Span
    lock: ExitStack
    waiting: deque[Partition]  # not published yet, in order
    results: dict[Partition, Result] = field(default_factory=dict)  # published


class _Taking:
    def __init__(self, work: Range, progress: Progress, reporter: Reporter) -> None:
        self.work, self.progress, self.reporter = work, progress, reporter
        raw = KnownRaw.of(work.ledger.storage, work.spec)
        self.publisher = Publisher(work.spec, work.ledger, work.control, work.holder, work.warn, raw)
        self.published: list[_Chunk] = []  # and not online yet
        self.outcomes: dict[Partition, Made | Failed] = {}  # made, and not looked at yet
        self.errors: dict[Partition, SlipstreamError] = {}
        self.judged: list[Ref] = []  # verdicts that are not kept yet

    def run(self) -> None:
        maker = Maker(self.work.spec, self.work.ledger, self.work.settings, self.work.fresh)
        with open_pool(maker, len(self.work.span.days), self.work.workers) as pool, ExitStack() as held:
            left = self._pass(pool, held, list(self.work.span.chunks()), 0.0)
            while left:
                left = self._pass(pool, held, left, WAIT)
        late = self.publisher.late(self.work.span.last) if self.progress.made else []
        for each in late:
            self.work.warn(f"{each.day} is to be made again: {each.words}.")
        if late:
            self.work.warn(f"`slipstream features catch-up {self.work.spec.name}` says how.")

    def _pass(self, pool: Pool, held: ExitStack, chunks: list[Block], patience: float) -> list[Block]:
        """Take in the chunks that are free; those of others are returned. While one is published the next ones are being made."""
        elsewhere: list[Block] = []
        making = deque[_Chunk]()
        for number, span in chunks:
            chunk = self._open(pool, held, number, span, patience)
            if chunk is None:
                elsewhere.append((number, span))
            else:
                making.append(chunk)
            if len(making) > AHEAD:
                self._publish_days(pool, making.popleft())
        while making:
            self._publish_days(pool, making.popleft())
        self._bring_online()
        self.progress.elsewhere = sum(len(span.days) for _, span in elsewhere)
        self.reporter.look()
        return elsewhere

    def _open(self, pool: Pool, held: ExitStack, number: int, span: Span, patience: float) -> _Chunk | None:
        """Take hold of a chunk, and have its days made; None where another range has it."""
        lock = held.enter_context(ExitStack())
        model = self.work.spec.name
        turn = advisory_lock(self.work.control, f"range/{model}/{number}", patience, f"range-{model}-{number % FILES}")
        if not lock.enter_context(turn):
            lock.close()
            if not patience:
                self.work.say(f"{span} is in the hands of another range: it is left to it, and looked at when it is free.")
            return None
        fault.point("range.chunk.taken")
        pool.submit(span.days)
        return _Chunk(span, lock, deque(span.days))

    def _publish_days(self, pool: Pool, chunk: _Chunk) -> None:
        """Publish the chunk's days as they are made, in their order. Several chunks are brought online at once."""
        while chunk.waiting:
            day = chunk.waiting.popleft()
            self._publish(chunk, self._outcome(pool, day))
            self.reporter.look()
        keep(self.work.control, self.work.spec.name, map(self.work.ledger.resolve, self.judged))
        self.judged.clear()
        self.published.append(chunk)
        if len(self.published) == ONLINE:
            self._bring_online()

    def _bring_online(self) -> None:
        """What is published and held; then let go of it."""
        work, results = self.work, {day: result for chunk in self.published for day, result in chunk.results.items()}
        if not self.published:
            return
        bring_online(work.spec, results, work.ledger, work.control, work.settings, work.store())
        fault.point("range.chunk.online")
        while self.published:
            self.published.pop().lock.close()

    def _outcome(self, pool: Pool, day: Partition) -> Made | Failed:
        while day not in self.outcomes:
            outcome = pool.take()
            self.outcomes[outcome.day] = outcome
        return self.outcomes.pop(day)

    def _publish(self, chunk: _Chunk, outcome: Made | Failed) -> None:
        fault.point("range.day.made")
        self.judged += [] if outcome.verdict is None else [outcome.verdict]
        try:
            if isinstance(outcome, Failed):
                raise outcome.error
            chunk.results[outcome.day], changed = self.publisher.publish(outcome)
        except SlipstreamError as error:
            if _of_everything(error):
                raise
            self.errors[outcome.day] = error
            self.progress.failed[str(outcome.day)] = one_line(error)
            self.work.warn(f"{outcome.day} is not taken in: {error}")
            return
        fault.point("range.day.published")
        new = changed or outcome.computed
        self.progress.made += bool(new)
        self.progress.found += not new


def _of_everything(error: SlipstreamError) -> bool:
    """Whether the next day would meet it, too: a store that does not answer, a full disk. The run's retry goes on there."""
    return isinstance(error, TransientError) and not isinstance(error, NotReadyError | JobFailedError)


def _incomplete(work: Range, progress: Progress, errors: Mapping[Partition, SlipstreamError]) -> SlipstreamError:
    """What the run ends with. One of the days may pass by itself where its process died: then the run is tried again."""
    days, name = sorted(errors), work.spec.name
    kind = JobFailedError if any(isinstance(error, JobFailedError) for error in errors.values()) else DataError
    return kind(
        f"{len(days)} of {progress.days:,} days of {name} could not be taken in: {few(list(map(str, days)), 10)}.",
        seen={str(day): errors[day].what for day in days[:3]},
        safe=f"the other {progress.done:,} days are published and online, and are not computed again.",
        hint=f"mend what is named, then go on: {take_in_command(name, Span(days[0], days[-1], work.spec.data.cadence))}",
    )

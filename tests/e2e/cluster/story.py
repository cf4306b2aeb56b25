"""What happens on the machines, and what must be true of it afterwards."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING, TypeVar

from benchmarks.table import Table
from include.core.catalog import load_spec
from include.core.connection import from_env, parse
from include.core.errors import SlipstreamError, UnreachableError
from include.core.storage import Storage
from include.demo import flights
from include.governance.audit_chain import verify
from include.prediction_log.reader import read_records
from include.prediction_log.record import PREDICTION
from include.prediction_log.shared import SharedLog
from include.rollout.evidence_store import reporting
from include.rollout.history import entered, list_rollouts
from include.services.services import Services
from include.versions import queries as versions
from tests.e2e.case_life import Account, Case, Life, change_outputs
from tests.e2e.cluster.boot import say
from tests.e2e.cluster.patience import AWAY, PatientAirflow, PatientCallers
from tests.e2e.cluster.reaper import Reaper
from tests.e2e.cluster.shown import search, secrets
from tests.e2e.cluster.site import Site

if TYPE_CHECKING:
    from onnx import ModelProto

MODEL = "delays"
ORDER = ("worker-1", "gateway-2", "ray-node", "control", "data", "gateway-1", "ray", "worker-2")
IN_FLIGHT = 8  # requests of the callers at once: as many may be lost with a gateway
T = TypeVar("T")
SHIPPED = 30.0  # seconds for the last lines to reach the root


def land(storage: Storage, first: date, last: date, model: str) -> None:
    flights.land(storage, first, last, model=model)


def invert(model: ModelProto) -> None:
    """It answers with the chance of being on time."""
    change_outputs(model, -1.0, 1.0)


CASE = Case(
    name=MODEL,
    land=land,
    history=(date(2013, 1, 1), date(2013, 2, 24)),
    weeks=6,
    break_version=invert,
)


def tell(site: Site, folder: Path, *, calm: bool) -> bool:
    """The whole life, machines being killed meanwhile unless it is to be calm. Returns whether a goal was missed."""
    services = Services.from_env()
    life = _life(site, services, folder / "life")
    reaper, witness = Reaper(site, () if calm else ORDER), Witness(services)
    witness.start()
    began = time.monotonic()
    _through(life.first)
    reaper.start()  # from now on somebody asks
    account = _through(life.tell)
    reaper.wait()
    witness.stop()
    say(f"the loop is closed after {time.monotonic() - began:.0f} s: {account.words()}")
    return _judge(site, life, account, reaper, witness)


def _life(site: Site, services: Services, home: Path) -> Life:
    home.mkdir()
    gateway = from_env("slipstream_gateway")
    assert gateway is not None
    airflow = PatientAirflow(parse(site.person()["AIRFLOW_CONN_SLIPSTREAM_AIRFLOW"]))
    spec = load_spec(MODEL, services.settings.models)
    return Life(CASE, spec, services, gateway.password, home, airflow=airflow, callers=PatientCallers)


def _through(part: Callable[[], T]) -> T:
    """Phases that are done stay done: what a machine's death interrupts is taken up again."""
    until = time.monotonic() + 10 * AWAY
    while True:
        try:
            return part()
        except UnreachableError as error:
            say(f"interrupted: {str(error).splitlines()[0]}")
            if time.monotonic() > until:
                raise
            time.sleep(2.0)


@dataclass
class Witness:
    """Looks now and then which gateways have published evidence of a live rollout."""

    services: Services
    seen: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))  # by stage: source, its requests

    def start(self) -> None:
        self._stop = Event()
        self._thread = Thread(target=self._run, daemon=True, name="witness")
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(1.0):
            try:
                self._look()
            except SlipstreamError:  # the store is away for a while
                continue

    def _look(self) -> None:
        control = self.services.control
        for rollout in list_rollouts(control, MODEL):
            if rollout.live and rollout.stage.startswith("canary"):
                _, generation = entered(control, rollout, rollout.stage)
                seen = self.seen[f"{rollout.challenger}.{rollout.stage}"]
                for each in reporting(control, rollout.id, generation):
                    seen[each.source] = max(seen[each.source], each.requests)


def _judge(site: Site, life: Life, account: Account, reaper: Reaper, witness: Witness) -> bool:
    table, control = Table(), life.control
    table.head("machines that share nothing, each killed in turn" if reaper.deaths else "machines that share nothing")
    for death in reaper.deaths:
        back = death.back if death.back is not None else float("inf")
        table.row(f"kill -9 {death.machine}: answers again after", back, "s", most=300)
    table.row("machines that were killed", len(reaper.deaths), "", least=len(reaper.order))
    known, rollouts = versions.records(control, MODEL), list_rollouts(control, MODEL)
    table.row("versions: trained, retrained, broken", len(known), "", least=3, most=3)
    table.row("rollouts of one version, at most", max(Counter(each.challenger for each in rollouts).values()), "", most=1)
    table.row("decisions of one window, at most", _most(one.as_of for one in life.decided()), "", most=1)
    table.row("the champion is the version that the policy asked for", account.champion == _retrained(account), "", least=True)
    sent_back = account.broken is not None and account.broken.state == "rolled_back"
    table.row("the broken version was sent back", sent_back, "", least=True)
    table.row("canary stages with the evidence of both gateways", _of_both(witness), "", least=1)
    gateways = sum(death.machine.startswith("gateway") for death in reaper.deaths)
    table.row("requests", account.tally.requests, "")
    table.row("requests that failed, with a gateway that was killed", account.tally.failed, "", most=IN_FLIGHT * gateways)
    lost, twice = _lost_and_doubled(life, account)
    table.row("answers that the shared log lacks", lost, "", most=0)
    table.row("answers that it has twice", twice, "", most=0)
    table.row("rows of the audit that do not fit their chain", len(verify(control, life.services.storage).findings), "", most=0)
    wanted = secrets(site)
    table.row("secrets that are searched for", len(wanted), "", least=15)
    for kind, (looked, hits) in search(site, wanted).items():
        table.row(f"places of {kind} that show a secret", len(hits), f"of {looked:,}", most=0)
        for place in hits[:10]:
            say(f"a secret is shown: {place}")
    return bool(table.missed)


def _most(each: Iterable[str]) -> int:
    return max(Counter(each).values(), default=0)


def _retrained(account: Account) -> int:
    return account.retrained.version if account.retrained else -1


def _of_both(witness: Witness) -> int:
    return sum(len([source for source, requests in seen.items() if requests]) == 2 for seen in witness.seen.values())


def _lost_and_doubled(life: Life, account: Account) -> tuple[int, int]:
    """Of the answers that callers got: how many have no line in the root, and how many have two with one id and moment."""
    answered, until = account.tally.requests - account.tally.failed, time.monotonic() + SHIPPED
    shared = SharedLog(life.home / "nobody", life.services.storage)
    while True:
        lines = [(each.id, each.at) for each in read_records(shared, MODEL) if each.kind == PREDICTION]
        lost = answered - len({name for name, _ in lines})
        if lost <= 0 or time.monotonic() > until:
            return max(0, lost), len(lines) - len(set(lines))
        time.sleep(1.0)

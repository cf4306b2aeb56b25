"""An installation of an earlier release is moved to another folder: same champion, the trace verifies, nothing is made again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from include.cli.main import main
from include.core.control import ControlStore, audit, metadata, versions
from include.core.request import Ref
from include.core.storage import LocalStorage
from include.core.versioned_column import VersionedJson
from include.data.published import published as published_days
from include.routing.route import Route, set_route
from include.versions.queries import champion, records
from include.versions.record import Stage
from tests.support.nursery import Nursery
from tests.support.operator_runs import MODEL, Life, Run, day, settle_in
from tests.support.versions import move

FORMER = ("/srv/former/home/store", "s3://former-bucket/prefix")


def rooted(value: Any, root: str) -> Any:
    """As releases stored it that named the root: in rows, files and XCom alike."""
    if isinstance(value, dict):
        return {name: rooted(item, root) for name, item in value.items()}
    if isinstance(value, list):
        return [rooted(item, root) for item in value]
    return (
        f"{root}/{value}" if isinstance(value, str) and value.startswith("ledger/") and value.endswith("/result.json") else value
    )


def age(life: Life, root: str) -> int:
    """Make the state what an earlier release would have left; how many rows and files named the root then."""
    count = 0
    for table in metadata.sorted_tables:
        columns = [column.name for column in table.columns if isinstance(column.type, sa.JSON | VersionedJson)]
        keys = [column.name for column in table.primary_key.columns]
        if not columns or table is audit:
            continue
        with life.services.control.transaction() as connection:
            for row in connection.execute(sa.select(table)).mappings().all():
                old = {name: rooted(row[name], root) for name in columns}
                here = sa.and_(*(table.c[name] == row[name] for name in keys))
                connection.execute(table.update().where(here).values(**old))
                count += old != {name: row[name] for name in columns}
    storage = life.services.storage
    for path in [*storage.list("ledger"), *storage.list("registry")]:
        if path.endswith(("/request.json", "/package.json")):
            value = json.loads(storage.read(path))
            storage.write(path, json.dumps(rooted(value, root)).encode())
            count += rooted(value, root) != value
    return count


def names_the_root(life: Life, root: str) -> list[str]:
    """What still does: rows, and files of the storage."""
    found = []
    with life.services.control.transaction() as connection:
        for table in metadata.sorted_tables:
            found += [table.name for row in connection.execute(sa.select(table)) if root in str(tuple(row))]
    storage = life.services.storage
    return found + [path for path in storage.list("") if root.encode() in storage.read(path)]


def ledger_of(life: Life) -> dict[str, bytes]:
    return {path: life.services.storage.read(path) for path in life.services.storage.list("ledger")}


@pytest.fixture
def moved(request: pytest.FixtureRequest, registered: Life, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Life:
    """Version 1 is the champion, everything stored names the former root, and the home is another folder."""
    control = registered.services.control
    with control.transaction() as connection:
        set_route(connection, MODEL, Route(champion=1))
    move(control, MODEL, 1, Stage.PRODUCTION, "t")
    assert age(registered, getattr(request, "param", FORMER[0])) > 10
    home = tmp_path / "elsewhere" / "home"
    shutil.copytree(registered.services.settings.home, home)
    (home / "connections.env").write_text("SLIPSTREAM_HOME=/srv/former/home\nSLIPSTREAM_REGISTRY=folder\n")
    shutil.rmtree(registered.services.settings.home)  # what still reads there fails
    return Life(settle_in(home, monkeypatch))


def call(capsys: pytest.CaptureFixture[str], *argv: str, status: int = 0) -> str:
    capsys.readouterr()
    assert main(list(argv)) == status
    return capsys.readouterr().out


def rewritten(said: str) -> dict[str, int]:
    """{place: how many}, of the table."""
    rows = [line.rsplit(maxsplit=2) for line in said.splitlines()]
    return {row[0].strip(): int(row[2]) for row in rows if len(row) == 3 and row[1].isdigit() and row[2].isdigit()}


def runs_again(life: Life, nursery: Nursery, root: str = "") -> None:
    """Every task of the days and of the training, with XCom as it stands in Airflow's database: all of it is reused."""
    before = {path: data for path, data in ledger_of(life).items() if not path.endswith("/request.json")}
    for number in (1, 2, 3, 4):
        life.publish(day(number), Run({"day": day(number).isoformat()}, run_id="again"))
    run = Run(run_id="again", xcom=rooted(dict(nursery.run().xcom), root))
    made = life.registered(run).xcom["register"]
    assert (made["version"], made["semver"]) == (1, "1.0.0")
    after = {path: data for path, data in ledger_of(life).items() if not path.endswith("/request.json")}
    assert after == before, "nothing was computed again"


def serves(life: Life) -> int | None:
    found = champion(records(life.services.control, MODEL))
    return found.version if found else None


@pytest.mark.parametrize("moved", FORMER, indirect=True)
def test_moved_state_is_read_as_it_is(moved: Life, nursery: Nursery, capsys: pytest.CaptureFixture[str]) -> None:
    traced = json.loads(call(capsys, "trace", MODEL, "--json"))
    assert (traced["intact"], traced["version"]["version"], serves(moved)) == (True, 1, 1)
    assert traced["counts"]["missing"] == traced["counts"]["changed"] == 0
    runs_again(moved, nursery, "/srv/former/home/store")


@pytest.mark.parametrize("moved", FORMER, indirect=True)
def test_relocate_rewrites_all_of_it_once_and_changes_no_key_and_no_digest(
    moved: Life, nursery: Nursery, capsys: pytest.CaptureFixture[str]
) -> None:
    root = next(each for each in FORMER if names_the_root(moved, each))
    before, digests = ledger_of(moved), traced_digests(capsys)
    refs = published_days(moved.services.control, MODEL, day(1), day(4))
    dry = call(capsys, "relocate", "--dry-run")
    assert ledger_of(moved) == before
    assert names_the_root(moved, root)
    said = call(capsys, "relocate")
    assert rewritten(said) == rewritten(dry)
    assert rewritten(said)["slipstream_partitions"] == 4
    assert rewritten(said)["slipstream_versions"] == 1
    assert rewritten(said)["registry: versions"] >= 1
    assert "lead to their results under" in said
    assert names_the_root(moved, root) == []
    assert set(rewritten(call(capsys, "relocate")).values()) == {0}
    assert ledger_of(moved).keys() == before.keys()
    changed = [path for path, data in ledger_of(moved).items() if data != before[path]]
    assert all(path.endswith("/request.json") for path in changed)
    for path in (path for path in before if path.endswith("/request.json")):
        key = path.removeprefix("ledger/").removesuffix("/request.json")
        assert moved.services.ledger.request(key).key == key
    assert published_days(moved.services.control, MODEL, day(1), day(4)) == refs
    assert traced_digests(capsys) == digests
    assert (serves(moved), moved.services.control.broken_audit_rows()) == (1, [])
    runs_again(moved, nursery, root)


def traced_digests(capsys: pytest.CaptureFixture[str]) -> list[tuple[str, str, str]]:
    def walk(node: dict[str, Any]) -> list[tuple[str, str, str]]:
        below = [each for child in node["inputs"] for each in walk(child)]
        return [(node["role"], node["state"], node["digest"]), *below]

    return walk(json.loads(call(capsys, "trace", MODEL, "--json"))["lineage"])


@pytest.mark.parametrize("after", [0, 1, 7])
def test_killed_in_the_middle_it_is_run_again(
    moved: Life, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    real, left = LocalStorage.write, [after]

    def write(self: LocalStorage, path: str, data: bytes) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        real(self, path, data)

    monkeypatch.setattr(LocalStorage, "write", write)
    call(capsys, "relocate", status=130)
    assert json.loads(call(capsys, "trace", MODEL, "--json"))["intact"], "half of it is read as well as all of it"
    monkeypatch.setattr(LocalStorage, "write", real)
    call(capsys, "relocate")
    assert [names_the_root(moved, root) for root in FORMER] == [[], []]


def test_a_copy_that_is_not_whole_is_reported(moved: Life, capsys: pytest.CaptureFixture[str]) -> None:
    ref = published_days(moved.services.control, MODEL, day(2), day(2))[day(2)]
    moved.services.storage.delete(ref.uri)
    said = call(capsys, "relocate", status=3)
    assert "1 of " in said
    assert f"shop 2013-01-02: The features at {moved.services.settings.root}/{ref.uri} is gone." in said


def test_a_damaged_request_is_left_and_named(moved: Life, capsys: pytest.CaptureFixture[str]) -> None:
    storage = moved.services.storage
    torn, wrong = [path for path in storage.list("ledger") if path.endswith("/request.json")][:2]
    storage.write(torn, b'{"step": "fea')
    body = json.loads(storage.read(wrong))
    storage.write(wrong, json.dumps({**body, "model": "another"}).encode())
    said = call(capsys, "relocate", status=3)
    assert "2 files are damaged, and were left as they are" in said
    assert storage.read(torn) == b'{"step": "fea'


def test_what_the_former_places_processes_left_goes(moved: Life, capsys: pytest.CaptureFixture[str]) -> None:
    home = moved.services.settings.home
    (home / "run" / "groups").mkdir(parents=True)
    (home / "run" / "ports.json").write_text("{}")
    assert f"{home} was /srv/former/home." in call(capsys, "relocate", "--dry-run")
    assert (home / "run").exists()
    call(capsys, "relocate")
    assert not (home / "run").exists()
    assert f"SLIPSTREAM_HOME={home}\n" in (home / "connections.env").read_text()
    assert "was /srv" not in call(capsys, "relocate")


def test_versions_of_a_row_that_holds_more_keep_it(moved: Life, capsys: pytest.CaptureFixture[str]) -> None:
    query = sa.select(versions.c.record).where(versions.c.model == MODEL)

    def record(control: ControlStore) -> dict[str, Any]:
        with control.transaction() as connection:
            return dict(connection.execute(query).scalar_one())

    before = record(moved.services.control)
    call(capsys, "relocate")
    after = record(moved.services.control)
    refs = ("train", "training_set", "evaluation")
    assert [Ref.from_json(after[name]) for name in refs] == [Ref.from_json(before[name]) for name in refs]
    assert {**after, **dict.fromkeys(refs)} == {**before, **dict.fromkeys(refs)}

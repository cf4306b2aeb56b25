"""Migrating a control store of an earlier release: by one process or two, killed anywhere, and what is refused."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from datetime import date, timedelta
from itertools import repeat
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from include.core import fault
from include.core.control import ControlStore, metadata
from include.core.digest import PROJECT
from include.core.environment import FAULT
from include.core.errors import NotReadyError, PermanentError
from include.core.schema import BASELINE, HEAD, TABLE, revision
from include.core.schema.migrate import HERE, _config, migrate, pending, read_number
from include.core.schema.state import stored
from tests.support.processes import FORKS
from tests.upgrade.stored_rows import rows

POINTS = ["schema.documents.copied", "schema.migrate.begin", "schema.migrate.committed", "schema.migrate.done"]
MOVED = ("skew/", "monitored/", "online/", "superseded/")


def test_a_store_of_before_is_refused_with_the_command_and_nothing_is_changed(old_url: str) -> None:
    before = rows(old_url)
    with pytest.raises(NotReadyError, match=r"(?s)schema has the number 1, this release needs \d+.*slipstream upgrade"):
        ControlStore(old_url).create_tables()
    assert rows(old_url) == before


def test_documents_are_moved_and_every_other_row_stays(old_url: str) -> None:
    before = rows(old_url)
    done = migrate(ControlStore(old_url))
    assert (done.before, [step.number for step in done.steps], done.documents) == (BASELINE, list(range(2, HEAD + 1)), 0)
    ControlStore(old_url).create_tables()
    after = rows(old_url)
    assert after.pop(TABLE) == [{"version_num": revision(HEAD)}]
    for name in sorted(after.keys() - before.keys() - {"slipstream_documents"}):
        assert after.pop(name) == []  # tables that came in since
    documents = {row["key"]: row for row in after.pop("slipstream_documents")}
    moved = {row["key"]: row for row in before["slipstream_effects"] if row["key"].startswith(MOVED)}
    assert {key.partition("/")[0] for key in moved} == {"skew", "monitored", "online", "superseded"}
    assert {key for key, row in documents.items() if row["kind"] != "notice"} == set(moved)
    for key, row in moved.items():
        kept = documents[key]
        assert (kept["kind"], kept["subject"], kept["at"]) == (key.partition("/")[0], "shop", row["at"])
        assert kept["body"] == row["result"]
    assert [row["subject"] for row in documents.values() if row["kind"] == "notice"] == ["shop"]
    assert [row["action"] for row in after["slipstream_audit"] if row not in before["slipstream_audit"]] == ["upgrade"]
    after["slipstream_audit"] = before["slipstream_audit"]
    for row in after["slipstream_partitions"]:  # every one was a day of UTC: its key stays
        following = date.fromisoformat(row["day"]) + timedelta(days=1)
        assert (row.pop("starts"), row.pop("ends")) == (f"{row['day']}T00:00:00", f"{following}T00:00:00")
    before["slipstream_effects"] = [row for row in before["slipstream_effects"] if row["key"] not in moved]
    assert after == before


def test_doing_it_again_changes_nothing(old_url: str) -> None:
    migrate(ControlStore(old_url))
    after = rows(old_url)
    again = migrate(ControlStore(old_url))
    assert (again.before, again.steps, again.documents) == (HEAD, (), 0)
    assert rows(old_url) == after


def test_what_a_process_of_before_writes_after_the_migration_is_moved_by_the_next(old_url: str) -> None:
    control = ControlStore(old_url)
    migrate(control)
    shares: dict[str, Any] = {"level": "ok", "shares": {}}
    control.once("skew/late/0", "skew/shop", 0, lambda _: shares)
    assert migrate(control).documents == 1
    assert control.effect("skew/late/0") is None
    assert migrate(control).documents == 0


def _migrate(url: str) -> int:
    return len(migrate(ControlStore(url)).steps)


def test_of_two_at_once_one_migrates_and_the_other_finds_it_done(old_url: str) -> None:
    with ProcessPoolExecutor(2, mp_context=FORKS) as pool:
        assert sorted(pool.map(_migrate, repeat(old_url, 2))) == [0, HEAD - BASELINE]
    assert read_number(ControlStore(old_url)) == HEAD


@pytest.mark.parametrize("point", POINTS)
def test_killed_anywhere_it_is_as_before_or_as_it_is_to_be_and_the_next_one_goes_on(old_url: str, point: str) -> None:
    before = rows(old_url)
    program = "import sys; from include.core.control import ControlStore; from include.core.schema.migrate import migrate; "
    program += "migrate(ControlStore(sys.argv[1]))"
    armed = {FAULT.name: fault.Fault(point, "kill").to_json(), "PYTHONPATH": str(PROJECT), "PATH": "/usr/bin:/bin"}
    killed = subprocess.run([sys.executable, "-c", program, old_url], env=armed, cwd=PROJECT, check=False, capture_output=True)
    assert killed.returncode == -9, killed.stderr.decode()
    done = point == "schema.migrate.committed"
    assert stored(ControlStore(old_url).engine) == (HEAD if done else BASELINE)
    if not done:
        assert rows(old_url) == before
    migrate(ControlStore(old_url))
    ControlStore(old_url).create_tables()
    assert len(rows(old_url)["slipstream_documents"]) > 5


def test_a_store_of_a_later_release_is_refused_by_tasks_and_by_the_upgrade(empty_url: str) -> None:
    control = ControlStore(empty_url)
    control.create_tables()
    with control.transaction() as connection:
        connection.execute(sa.text(f"UPDATE {TABLE} SET version_num = '{revision(HEAD + 1)}'"))
    for refused in (control.create_tables, lambda: migrate(control)):
        with pytest.raises(PermanentError, match=r"(?s)belongs to a later release.*this release knows \d+ at most"):
            refused()


def test_the_migrations_make_the_tables_that_the_code_describes(old_url: str, empty_url: str) -> None:
    migrate(ControlStore(old_url))
    ControlStore(empty_url).create_tables()
    for url in (old_url, empty_url):
        with ControlStore(url).engine.begin() as connection:
            context = MigrationContext.configure(connection, opts={"version_table": TABLE, "compare_type": True})
            assert compare_metadata(context, metadata) == []


def test_a_store_of_a_still_earlier_release_that_lacks_tables_gets_them(old_url: str) -> None:
    control = ControlStore(old_url)
    with control.transaction() as connection:
        connection.execute(sa.text("DROP TABLE slipstream_mirrors"))
    migrate(control)
    control.create_tables()
    assert rows(old_url)["slipstream_mirrors"] == []


def test_the_newest_migration_is_the_number_that_the_code_knows() -> None:
    script = ScriptDirectory.from_config(_config())
    assert script.get_heads() == [revision(HEAD)]
    assert [step.number for step in pending(BASELINE)] == list(range(BASELINE + 1, HEAD + 1))
    assert all(step.what for step in pending(BASELINE))
    assert pending(HEAD) == pending(None) == ()
    assert HERE.is_dir()


def test_where_there_is_nothing_to_do_a_task_asks_once_and_imports_no_alembic(empty_url: str) -> None:
    ControlStore(empty_url).create_tables()
    program = """
import sys
import sqlalchemy as sa
from include.core.control import ControlStore
control, asked = ControlStore(sys.argv[1]), []
sa.event.listen(control.engine, "before_cursor_execute", lambda *given: asked.append(given[2]))
control.create_tables()
assert len(asked) == 1, asked
assert not [name for name in sys.modules if name.split(".")[0] == "alembic"]
"""
    subprocess.run([sys.executable, "-c", program, empty_url], cwd=PROJECT, check=True, env={"PYTHONPATH": str(PROJECT)})

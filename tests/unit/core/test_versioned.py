"""The version of what is stored: absent, earlier, of today, later, and none at all."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from include.core.control import ControlStore, routes
from include.core.errors import PermanentError
from include.core.ledger import Ledger
from include.core.request import Outcome, Request
from include.core.storage import LocalStorage
from include.core.versioned import Format
from include.routing.reader import RouteReader
from include.routing.route import Route, read_route, set_route

THIRD = Format(
    "a thing",
    version=3,
    upgrades={1: lambda body: {**body, "name": body["called"]}, 2: lambda body: {"name": body["name"].lower()}},
)


def test_what_has_no_version_is_the_first_and_earlier_ones_are_brought_up_in_turn() -> None:
    assert THIRD.read({"called": "A", "x": 1}) == {"name": "a"}
    assert THIRD.read({"v": 1, "called": "A"}) == {"name": "a"}
    assert THIRD.read({"v": 2, "name": "B"}) == {"name": "b"}
    assert THIRD.read(THIRD.stamp({"name": "C"})) == {"name": "C"}
    assert THIRD.stamp({"name": "C"}) == {"name": "C", "v": 3}


@pytest.mark.parametrize("version", [4, 0, -1, "3", None, True, 1.5])
def test_a_later_version_and_none_at_all_are_refused_by_name(version: object) -> None:
    with pytest.raises(PermanentError, match=r"(?s)A thing at here has version .* reads versions 1 to 3.*later release"):
        THIRD.read({"v": version}, "here")


def test_a_column_stamps_what_is_written_and_hands_out_the_body(control: ControlStore) -> None:
    with control.transaction() as connection:
        set_route(connection, "m", Route(champion=1))
        stored = connection.execute(sa.text("SELECT route FROM slipstream_routes")).scalar_one()
        assert '"v": 1' in str(stored).replace("'", '"')
        assert connection.execute(sa.select(routes.c.route)).scalar_one() == Route(champion=1).to_json()
    assert read_route(control, "m") == (1, Route(champion=1))
    assert RouteReader(control).read() == {"m": (1, Route(champion=1))}


def test_a_route_of_a_later_release_is_refused_and_not_guessed_at(control: ControlStore) -> None:
    with control.transaction() as connection:
        set_route(connection, "m", Route(champion=1))
        connection.execute(sa.text('UPDATE slipstream_routes SET route = \'{"v": 2, "champion": 1, "arms": [1]}\''))
    for read in (lambda: read_route(control, "m"), RouteReader(control).read):
        with pytest.raises(PermanentError, match="The route of a model has version 2 of its format"):
            read()


def test_what_the_ledger_keeps_is_versioned_and_what_had_no_version_is_read(tmp_path: Path) -> None:
    ledger, request = Ledger(LocalStorage(tmp_path)), Request("train", "f:g", "m")
    result = ledger.commit(request, ledger.open_attempt(request.key, 0), Outcome({"n": 1}), 0.1)
    for path, name in ((f"ledger/{request.key}/request.json", "request"), (result.path, "result")):
        text = (tmp_path / path).read_text()
        assert '"v":1' in text
        (tmp_path / path).write_text(text.replace('"v":1', '"v":2'))
        with pytest.raises(PermanentError, match=rf"A {name} of the ledger at .*{path} has version 2"):
            ledger.request(request.key) if name == "request" else ledger.result(request.key)
        (tmp_path / path).write_text(text.replace(',"v":1', ""))
    assert (ledger.request(request.key), ledger.result(request.key)) == (request, result)

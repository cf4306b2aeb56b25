"""The graph of a version: layers from raw data to predictions, days folded until asked for, nodes opened and verified."""

from __future__ import annotations

from datetime import timedelta

import pytest

from include.core.errors import DataError
from include.overview.lineage_graph import LAYERS, PAGE, days_of_version, graph_of, node_of, owner_of, versions_of
from tests.support.console_home import NAME, SIZE, Home
from tests.support.console_home import home as home


def test_the_graph_goes_from_raw_data_to_predictions_and_opens_no_day(home: Home) -> None:
    graph = graph_of(home.ledger, home.control, NAME)
    assert (graph["version"], graph["layers"]) == (2, list(LAYERS))
    nodes = {node["id"]: node for node in graph["nodes"]}
    assert {"version", "train", "evaluation", "training_set", "commit", "parameters", "predictions", f"days:{NAME}"} <= set(nodes)
    assert (nodes[f"days:{NAME}"]["folded"], nodes[f"days:{NAME}"]["opens"]) == (30, "")
    assert nodes["commit"]["facts"]["commit"] == "abc123"
    assert nodes["predictions"]["facts"]["now"] == "champion"
    edges = {tuple(each) for each in graph["edges"]}
    assert {("training_set", "train"), ("train", "version"), ("evaluation", "version"), (f"days:{NAME}", "training_set")} <= edges
    assert all(start in nodes and end in nodes for start, end in edges)
    assert [each["version"] for each in graph["versions"]] == [2, 1]


def test_a_version_that_is_none_is_refused_with_those_there_are(home: Home) -> None:
    with pytest.raises(DataError, match="no version 9") as caught:
        graph_of(home.ledger, home.control, NAME, 9)
    assert "1, 2" in str(caught.value.hint)
    with pytest.raises(DataError, match="no version yet"):
        graph_of(home.ledger, home.control, "another")


def test_a_record_that_is_gone_is_a_node_that_says_so(home: Home) -> None:
    graph = graph_of(home.ledger, home.control, NAME, 1)
    path = home.folder / "store" / next(node["opens"] for node in graph["nodes"] if node["id"] == "evaluation")
    kept = path.read_bytes()
    path.unlink()
    found = {node["id"]: node for node in graph_of(home.ledger, home.control, NAME, 1)["nodes"]}
    path.write_bytes(kept)
    assert (found["evaluation"]["state"], found["evaluation"]["opens"], found["train"]["state"]) == ("missing", "", "recorded")


def test_days_come_a_page_at_a_time_and_lead_down_to_the_raw_files(home: Home) -> None:
    page = days_of_version(home.ledger, home.control, NAME, 2, NAME)
    assert (page["of"], page["next"], len(page["days"])) == (30, None, 30)
    assert days_of_version(home.ledger, home.control, NAME, 2, NAME, offset=25)["days"] == page["days"][25:]
    assert days_of_version(home.ledger, home.control, NAME, 2, "another")["of"] == 0
    assert PAGE >= 30
    day = node_of(home.ledger, page["days"][0]["opens"])
    assert (day["step"], day["facts"]["day"]) == ("features", page["days"][0]["day"])
    (judged,) = day["inputs"]
    verdict = node_of(home.ledger, judged["opens"], verify=True)
    raw = {each["name"]: each for each in verdict["files"]}
    assert (raw["raw things"]["state"], raw["raw weather"]["state"], verdict["intact"]) == ("verified", "verified", True)
    assert owner_of(home.ledger, judged["opens"]) == NAME


def test_bytes_that_changed_are_found_when_one_asks_and_not_said_before(home: Home) -> None:
    day = SIZE.first + timedelta(days=2)
    opens = next(each["opens"] for each in days_of_version(home.ledger, home.control, NAME, 1, NAME)["days"])
    first = node_of(home.ledger, node_of(home.ledger, opens)["inputs"][0]["opens"])
    raw = next(each for each in first["files"] if each["name"] == "raw things")
    path = home.folder / "store" / raw["path"]
    kept = path.read_bytes()
    path.write_bytes(b"another day")
    assert {each["state"] for each in node_of(home.ledger, first["opens"])["files"]} == {"recorded"}
    looked = node_of(home.ledger, first["opens"], verify=True)
    path.unlink()
    gone = node_of(home.ledger, first["opens"], verify=True)
    path.write_bytes(kept)
    assert day > SIZE.first
    assert [next(each["state"] for each in found["files"] if each["name"] == "raw things") for found in (looked, gone)] == [
        "changed",
        "missing",
    ]
    assert (looked["intact"], gone["intact"]) == (False, False)


def test_a_result_leads_on_to_the_versions_that_it_went_into(home: Home) -> None:
    days = days_of_version(home.ledger, home.control, NAME, 2, NAME)["days"]
    first = {node["id"]: node["opens"] for node in graph_of(home.ledger, home.control, NAME, 1)["nodes"]}
    assert versions_of(home.ledger, home.control, NAME, first["train"]) == [1]
    assert versions_of(home.ledger, home.control, NAME, days[-1]["opens"]) == [2]
    both = next(each for each in days_of_version(home.ledger, home.control, NAME, 1, NAME)["days"] if each in days)
    assert versions_of(home.ledger, home.control, NAME, both["opens"]) == [1, 2]
    assert versions_of(home.ledger, home.control, "another", days[-1]["opens"]) == []


@pytest.mark.parametrize("uri", ["", "x", "ledger/a/b/g0/../result.json", "ledger/a/b/gx/result.json", "raw/a/b/g0/result.json"])
def test_what_is_no_result_is_refused(home: Home, uri: str) -> None:
    with pytest.raises(DataError):
        node_of(home.ledger, uri)


def test_a_result_that_is_gone_says_so(home: Home) -> None:
    with pytest.raises(DataError, match="gone"):
        node_of(home.ledger, f"ledger/features/{'0' * 32}/g0/result.json")

"""What a check finds in a model's folder, line by line."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest

from include.authoring import check
from include.authoring.findings import Finding, Report
from include.cli.main import main
from include.core.errors import DataError
from include.services.services import Services
from tests.unit.authoring.conftest import Zoo

pytestmark = pytest.mark.lives  # a check tries the whole life of a model

Checked = Callable[..., Report]


@pytest.fixture
def checked(services: Services, monkeypatch: pytest.MonkeyPatch) -> Checked:
    """Without the processes that it starts, which have tests of their own."""
    monkeypatch.setattr(check, "check_imports", lambda model, settings: "nothing heavy")

    def run(model: str, *, fit: bool = False, days: int = 8) -> Report:
        return check.check_model(model, services, days=days, fit=fit, dags=False)

    return run


def finding(report: Report, name: str) -> Finding:
    return next(each for each in report.findings if each.check == name)


def told(report: Report, name: str) -> str:
    """How a check ended, with all that it says."""
    found = finding(report, name)
    error = "" if found.error is None else str(found.error)
    return f"{found.status}: {found.detail} {error}"


def land(services: Services, monkeypatch: pytest.MonkeyPatch, first: str, last: str) -> None:
    """The days that the template makes up."""
    monkeypatch.setenv("SLIPSTREAM_HOME", str(services.settings.home))
    import_module("zoo.ape.sample_data").main(first, last)


@pytest.mark.thorough
def test_the_template_is_right_as_it_stands_on_rows_that_are_made_up(zoo: Zoo, checked: Checked, services: Services) -> None:
    zoo("ape")
    report = checked("ape", fit=True)
    assert report.passed
    assert [each.check for each in report.findings if each.status != "ok"] == ["dags"]
    assert "8 synthetic days" in finding(report, "sample").detail
    assert "5 inputs, 1 of them categories" in finding(report, "encoder").detail
    assert "on 900 rows" in finding(report, "fit").detail
    assert "the file scores as the model does" in finding(report, "onnx").detail
    assert list(services.storage.list("")) == []
    assert not list(services.settings.scratch().iterdir())


def test_the_newest_landed_days_are_read_where_there_are_some(
    zoo: Zoo, checked: Checked, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    zoo("ape")
    land(services, monkeypatch, "2024-01-01", "2024-01-10")
    before = list(services.storage.list(""))
    report = checked("ape")
    assert report.passed
    assert "8 landed days: 2024-01-03 to 2024-01-10" in finding(report, "sample").detail
    assert "500 labelled rows" in finding(report, "training set").detail
    assert list(services.storage.list("")) == before


EXPORT = "export_classifier(model, len(job.inputs), job.model_path)"
# What an author may get wrong: the file, a text of it, what stands there instead; the check that says it; its words; and what
# is skipped for it.
WRONG: dict[str, tuple[str, str, str, str, str]] = {
    "a field": ("spec.py", "window_days=28", "window_days=0", "spec", "window_days: Input should be greater"),
    "a reserved name": ("spec.py", 'Feature(name="price")', 'Feature(name="score")', "spec", "reserved"),
    "a reference": ("spec.py", "features:entities", "features:entitys", "code", "entitys"),
    "a rule of no source": ("expectations.py", '"outcomes": OUTCOMES', '"outcome": OUTCOMES', "sample", "'outcomes'"),
    "SQL that does not parse": ("features.py", "GROUP BY customer_id", "GROUP customer_id", "features", "syntax error"),
    "SQL of another table": ("features.py", "FROM orders LEFT", "FROM order LEFT", "features", "order"),
    "a column too many": ("features.py", "customer_id, price, category FROM", "* FROM", "features", "not in the spec"),
    "a dtype": ("spec.py", 'Feature(name="price")', 'Feature(name="price", dtype="category")', "features", "'price' is DOUBLE"),
    "labels before questions": ("features.py", "ordered_at AS event_timestamp", "ordered_at + INTERVAL 1 DAY AS event_timestamp",
                                "training set", "known before their row was"),
    "a fit that raises": ("train.py", "job.expect(scores)", "raise ValueError('no luck')", "fit", "no luck"),
    "a file of another model": ("train.py", "job.expect(scores)", "job.expect(scores * 0)", "onnx", "does not score like"),
    "a fit without a file": ("train.py", EXPORT, "del model", "onnx", "without writing"),
}  # fmt: skip


FIRST_OF_TRAINING = """),
    ),
    expectations=f"{HERE}.expectations:EXPECTATIONS",
    training=Training("""


def test_a_model_that_takes_columns_is_tried_with_columns(zoo: Zoo, checked: Checked) -> None:
    category = 'Feature(name="category", dtype="category")'
    text = 'Feature(name="category", dtype="text")'
    zoo("ape", {"spec.py": (f"{category}{FIRST_OF_TRAINING}", f"{text}{FIRST_OF_TRAINING}\n        inputs='columns',")})
    report = checked("ape")
    assert told(report, "encoder").startswith("ok")
    assert "category as text" in finding(report, "encoder").detail


def test_labels_that_are_none_of_the_problems_fail_on_landed_days_and_are_no_lack_of_days(
    zoo: Zoo, checked: Checked, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    zoo(
        "ape",
        {
            "features.py": (
                "SELECT order_id AS request_id, sent_back, ",
                "SELECT order_id AS request_id, sent_back * 2 AS sent_back, ",
            )
        },
    )
    assert told(checked("ape"), "training set").startswith("skipped")  # made-up rows prove nothing
    land(services, monkeypatch, "2024-01-01", "2024-01-08")
    found = told(checked("ape"), "training set")
    assert found.startswith("failed")
    assert "0 or 1" in found


def test_an_authors_decision_is_tried(zoo: Zoo, checked: Checked) -> None:
    before, after = 'label="sent_back",', 'label="sent_back",\n    problem=Binary(decision=f"{HERE}.train:decide"),'
    made = zoo("ape", {"spec.py": (before, after)})
    spec, train = made.folder / "spec.py", made.folder / "train.py"
    spec.write_text(spec.read_text().replace("import Data,", "import Binary, Data,"))
    train.write_text(f"{train.read_text()}\n\ndef decide(scores):\n    return scores + 1\n")
    report = checked("ape", fit=True)
    assert "5 references" in finding(report, "code").detail
    found = told(report, "onnx")
    assert found.startswith("failed")
    assert "must give one whole number from 0 to 1 a row" in found


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_said_where_it_shows_and_what_needs_it_is_skipped(zoo: Zoo, checked: Checked, case: str) -> None:
    file, before, after, where, words = WRONG[case]
    zoo("ape", {file: (before, after)})
    report = checked("ape", fit=where in ("fit", "onnx"))
    assert not report.passed
    assert told(report, where).startswith("failed")
    assert words in told(report, where)
    assert [each.check for each in report.findings if each.status == "failed"] == [where]
    assert all(each.detail for each in report.findings)


def test_a_fit_that_tells_no_scores_cannot_be_compared_with_its_file(zoo: Zoo, checked: Checked) -> None:
    zoo("ape", {"train.py": ("job.expect(scores)", "pass")})
    report = checked("ape", fit=True)
    assert report.passed
    assert told(report, "onnx").startswith("skipped")
    assert "never calls job.expect" in finding(report, "onnx").detail


def test_synthetic_rows_prove_nothing_against_sql_that_wants_more(zoo: Zoo, checked: Checked) -> None:
    """A column that nobody has declared is not there."""
    zoo("ape", {"features.py": ("customer_id, price, category FROM orders", "customer_id, price, kind AS category FROM orders")})
    report = checked("ape")
    assert report.passed
    assert told(report, "features").startswith("skipped")
    assert "land a day to know" in finding(report, "features").detail


def test_days_without_labels_are_too_few_and_say_how_to_read_more(
    zoo: Zoo, checked: Checked, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    zoo("ape")
    land(services, monkeypatch, "2024-01-01", "2024-01-03")
    report = checked("ape", days=2)
    assert report.passed
    assert told(report, "training set").startswith("skipped")
    assert "--days 8" in finding(report, "training set").detail


def test_a_landed_day_that_breaks_a_stop_rule_fails_the_check(
    zoo: Zoo, checked: Checked, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    zoo("ape", {"expectations.py": ('value_set=["clothes", "shoes", "toys"], on_failure="warn"', 'value_set=["books"]')})
    land(services, monkeypatch, "2024-01-01", "2024-01-02")
    report = checked("ape", days=1)
    assert "breaks rules that stop a day" in told(report, "expectations")


def test_the_command_answers_for_all_models_and_ends_with_3_where_one_is_wrong(
    zoo: Zoo, services: Services, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(check, "check_imports", lambda model, settings: "nothing heavy")
    monkeypatch.setenv("SLIPSTREAM_HOME", str(services.settings.home))
    monkeypatch.setenv("SLIPSTREAM_MODELS", "zoo")
    zoo("ape", {"features.py": ("import annotations", "import annotations\nprint('an author prints')")})
    zoo("bee", {"spec.py": ("window_days=28", "window_days=0")})
    assert main(["check", "--no-fit", "--no-dags", "--json"]) == 3
    value = json.loads(capsys.readouterr().out)
    assert {each["model"]: each["passed"] for each in value["models"]} == {"ape": True, "bee": False}
    assert value["models"][1]["checks"][0]["error"]["what"].startswith("Training(...) in a model's spec is wrong")
    assert main(["check", "bee", "--no-dags"]) == 3
    said = capsys.readouterr().out
    assert "failed  spec" in said
    assert "Next: " not in said.splitlines()[0]
    assert main(["check", "ape", "--days", "0"]) == 1


def test_nothing_to_check_says_how_to_make_a_model(
    models: Path, services: Services, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SLIPSTREAM_HOME", str(services.settings.home))
    monkeypatch.setenv("SLIPSTREAM_MODELS", "zoo")
    assert main(["check"]) == 1
    assert "slipstream new NAME" in capsys.readouterr().err


def test_the_line_of_an_error_has_its_four_parts() -> None:
    report = Report("ape")

    def fail(_: Finding) -> None:
        raise DataError("It is wrong.", seen=3, safe="all.", hint="mend it.")

    assert report.run("one", fail) is None
    assert report.run("two", lambda finding: finding.say("seen"), "one") is None
    assert [line.strip() for line in report.lines()] == [
        "ape: something is wrong", "failed  one           It is wrong.", "Seen: 3.", "Safe: all.", "Next: mend it.",
        "skipped two           it needs the check 'one' to be ok.",
    ]  # fmt: skip

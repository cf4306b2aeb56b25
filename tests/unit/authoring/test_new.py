"""A model's folder to start from: whole, under its own name, and refused where that is taken or no name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from include.authoring.new import make, starting_points
from include.cli.main import main
from include.core.catalog import load_spec
from include.core.errors import ConflictError, DataError, SpecError
from tests.support.error_message import assert_says
from tests.unit.authoring.conftest import Zoo


def test_it_is_a_model_of_that_name_with_comments_on_every_screen(zoo: Zoo) -> None:
    made = zoo("ape")
    assert made.files == ["__init__.py", "expectations.py", "features.py", "sample_data.py", "spec.py", "train.py"]
    spec = load_spec("ape", "zoo")
    assert spec.training.fit == "zoo.ape.train:fit"
    assert (made.folder / "spec.py").read_text().count("#") > 10
    assert "python -m zoo.ape.sample_data" in (made.folder / "sample_data.py").read_text()
    assert not list(made.folder.parent.glob("slipstream-*"))


def test_another_models_own_references_are_those_of_the_copy(zoo: Zoo) -> None:
    made = zoo("bee", like="flight_delay")
    spec = load_spec("bee", "zoo")
    assert all(reference.startswith("zoo.bee.") for reference in spec.code)
    assert "from zoo.bee.network import" in (made.folder / "train.py").read_text()


def test_the_template_the_models_and_the_examples_are_starting_points(models: Path) -> None:
    points = [*starting_points("include.models")]
    assert points[0] == "template"
    assert {"flight_delay", "late_departure"} <= set(points)
    with pytest.raises(DataError) as refused:
        make("cat", "late_depature", None, "zoo")
    assert_says(refused.value, "no model 'late_depature' to start from", "did you mean late_departure")
    assert not (models / "cat").exists()


@pytest.mark.parametrize("name", ["Ape", "9lives", "a-b", "class", "match", "slipstream", "", "a" * 64, "_x"])
def test_what_no_model_may_be_named_is_refused(models: Path, name: str) -> None:
    with pytest.raises(SpecError) as refused:
        make(name, "template", None, "zoo")
    assert_says(refused.value, "cannot be a model's name", "nothing was written")


def test_a_name_that_is_taken_is_refused_wherever_it_is(zoo: Zoo, models: Path, tmp_path: Path) -> None:
    zoo("ape")
    for into, known in ((None, ()), (tmp_path / "elsewhere", ()), (tmp_path / "elsewhere", ("gnu",))):
        with pytest.raises(ConflictError) as refused:
            make("gnu" if known else "ape", "template", into, "zoo", known)
        assert_says(refused.value, "is taken", "choose another name")
    (models / "dog").write_text("")
    with pytest.raises(ConflictError, match="is there already"):
        make("dog", "template", None, "zoo")


def test_a_folder_that_cannot_be_written_is_named(models: Path) -> None:
    (models.parent / "file").touch()
    with pytest.raises(DataError) as refused:
        make("ape", "template", models.parent / "file" / "below", "zoo")
    assert_says(refused.value, "cannot be written", "--into PATH")


def test_a_spec_whose_name_is_no_text_is_not_copied(zoo: Zoo, models: Path) -> None:
    zoo("ape", {"spec.py": ('name="ape",', "name=HERE.rpartition('.')[2],")})
    with pytest.raises(SpecError, match="copied under another name"):
        make("bee", "ape", None, "zoo")
    assert not (models / "bee").exists()


def test_the_command_says_what_to_do_next(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SLIPSTREAM_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SLIPSTREAM_MODELS", "zoo")
    assert main(["new", "ape"]) == 0
    said = capsys.readouterr().out
    assert "slipstream check ape" in said
    assert "python -m zoo.ape.sample_data" in said
    elsewhere = tmp_path / "elsewhere"
    assert main(["new", "bee", "--into", str(elsewhere), "--json"]) == 0
    value = json.loads(capsys.readouterr().out)
    assert value["models"] == f"zoo:{elsewhere}"
    assert value["next"][:2] == [f"export SLIPSTREAM_MODELS=zoo:{elsewhere}", "slipstream check bee"]
    assert (elsewhere / "bee" / "spec.py").is_file()

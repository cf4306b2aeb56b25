from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from include.core import places
from include.core.catalog import broken_places, folder_of, load_spec, model_names, place_of
from include.core.digest import PROJECT, code_digest
from include.core.errors import SpecError
from include.core.reference import load
from include.core.settings import Settings
from tests.support.error_message import assert_says
from tests.support.toy_spec import SPEC

TRAIN = "from . import part\nfrom .._shared_{place} import scale\n\n\ndef fit(job):\n    return part.TWO * scale(job)\n"


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """The process imports by its environment again, and has nothing of a test's folders."""
    yield
    places.activate("include.models")


def make(folder: Path, *names: str, place: str = "one") -> Path:
    """A folder of models that share a helper, none of it a package by itself."""
    shared = folder / f"_shared_{place}"
    shared.mkdir(parents=True)
    (shared / "__init__.py").write_text("from .number import FACTOR\n\n\ndef scale(x):\n    return FACTOR * x\n")
    (shared / "number.py").write_text("FACTOR = 3\n")
    for name in names:
        (folder / name).mkdir()
        (folder / name / "__init__.py").touch()
        (folder / name / "part.py").write_text("TWO = 2\n")
        (folder / name / "train.py").write_text(TRAIN.format(place=place))
        (folder / name / "spec.py").write_text(SPEC.format(name=name).replace('"m:f"', 'f"{__package__}.train:fit"'))
    return folder


def both(*folders: Path | str) -> str:
    return os.pathsep.join(map(str, folders))


def edit(path: Path, text: str) -> None:
    path.write_text(text)
    os.utime(path, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns + 1_000_000))


def test_folders_called_alike_in_two_repositories_are_beside_the_platforms_own_models(tmp_path: Path) -> None:
    one, other = make(tmp_path / "a" / "models", "ant"), make(tmp_path / "b" / "models", "bee", place="other")
    models = both("include.models", one, other)
    assert model_names(models) == ["ant", "bee", "flight_delay"]
    assert [load_spec(name, models).training.fit for name in ("ant", "bee")] == [
        "include.models.ant.train:fit", "include.models.bee.train:fit",
    ]  # fmt: skip
    assert [load(f"include.models.{name}.train:fit")(1) for name in ("ant", "bee")] == [6, 6]
    assert load_spec("flight_delay", models).name == "flight_delay"
    assert (folder_of("bee", models), folder_of("wasp", models)) == (other / "bee", None)


def test_a_model_that_moves_out_of_the_platforms_repository_keeps_its_digest(tmp_path: Path) -> None:
    at_home = code_digest(*load_spec("flight_delay", "include.models").code)
    shutil.copytree(PROJECT / "include/models/flight_delay", tmp_path / "models" / "flight_delay")
    spec = load_spec("flight_delay", str(tmp_path / "models"))
    assert code_digest(*spec.code) == at_home
    assert str(load(spec.training.fit).__code__.co_filename).startswith(str(tmp_path))


@pytest.mark.parametrize("file", ["ant/train.py", "ant/part.py", "_shared_one/__init__.py", "_shared_one/number.py"])
def test_what_a_model_imports_from_its_own_place_is_in_its_digest(file: str, tmp_path: Path) -> None:
    folder = make(tmp_path / "models", "ant")
    load_spec("ant", str(folder))
    before = code_digest("include.models.ant.train:fit")
    edit(folder / file, (folder / file).read_text() + "\nMORE = 1\n")
    assert code_digest("include.models.ant.train:fit") != before


def test_what_a_model_does_not_import_and_where_it_lies_are_in_no_digest(tmp_path: Path) -> None:
    folder = make(tmp_path / "models", "ant", "bee")
    load_spec("ant", str(folder))
    before = code_digest("include.models.ant.train:fit")
    edit(folder / "bee" / "part.py", "TWO = 4\n")
    assert code_digest("include.models.ant.train:fit") == before
    folder.rename(tmp_path / "elsewhere")
    load_spec("ant", str(tmp_path / "elsewhere"))
    assert code_digest("include.models.ant.train:fit") == before


@pytest.mark.parametrize("imported", ["import shop_lib.text", "from shop_lib import text", "NAMED = 'shop_lib.text:clean'"])
def test_an_authors_own_package_beside_the_models_counts_and_a_library_does_not(
    imported: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make(tmp_path / "models", "ant")
    library = tmp_path / "repository" / "shop_lib"
    library.mkdir(parents=True)
    (library / "__init__.py").touch()
    (library / "text.py").write_text("def clean(x):\n    return x\n")
    edit(folder / "ant" / "part.py", f"import numpy\n{imported}\nTWO = 2\n")
    monkeypatch.syspath_prepend(tmp_path / "repository")
    load_spec("ant", str(folder))
    before = code_digest("include.models.ant.train:fit")
    edit(library / "text.py", "def clean(x):\n    return 2 * x\n")
    assert code_digest("include.models.ant.train:fit") != before


def test_a_model_of_two_places_is_refused_with_both_and_costs_no_other(tmp_path: Path) -> None:
    one, other = make(tmp_path / "a", "ant", "cow"), make(tmp_path / "b", "ant", place="other")
    models = both(one, other)
    with pytest.raises(SpecError) as refused:
        load_spec("ant", models)
    assert_says(refused.value, "There are 2 models 'ant'", str(one / "ant"), str(other / "ant"), "rename one of the folders")
    assert load_spec("cow", models).name == "cow"


def test_what_two_places_share_under_one_name_is_refused_where_it_is_imported(tmp_path: Path) -> None:
    one, other = make(tmp_path / "a", "ant", place="it"), make(tmp_path / "b", "bee", place="it")
    load_spec("ant", both(one, other))
    for use in (load, code_digest):
        with pytest.raises(SpecError) as refused:
            use("include.models.ant.train:fit")
        assert_says(refused.value, "include.models._shared_it is in two places", str(one), str(other), "_shop")


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ("gone", "cannot be read: No such file"), ("no_such_package", "names no package that can be imported"),
        ("model", "names a model"), ("repository", "one below it has some"),
    ],
)  # fmt: skip
def test_a_broken_place_costs_its_own_models_alone(
    broken: str, said: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    good = make(tmp_path / "good", "ant")
    folders = {"gone": tmp_path / "gone", "model": good / "ant", "repository": tmp_path}
    named = str(folders.get(broken, broken))
    models = both(good, named)
    with caplog.at_level(logging.WARNING, "include.core.catalog"):
        assert model_names(models) == ["ant"]
    assert [record.name for record in caplog.records if said in record.getMessage()] == ["include.core.catalog"]
    assert load_spec("ant", models).name == "ant"
    assert {text: said in str(error) for text, error in broken_places(models).items()} == {named: True}
    with pytest.raises(SpecError) as unknown:  # it may be the broken place's
        load_spec("bee", models)
    assert_says(unknown.value, "There is no model 'bee'", said, "models here: ant")
    with pytest.raises(SpecError, match=said):  # alone, it is what is wrong
        model_names(named)


def test_a_setting_without_a_place_is_refused() -> None:
    with pytest.raises(SpecError, match="names no place"):
        places.places(" : ")


def test_one_folder_named_twice_is_one_place(tmp_path: Path) -> None:
    folder = make(tmp_path / "models", "ant")
    (tmp_path / "current").symlink_to(folder)
    assert len(places.places(both(folder, folder / "." / ""))) == 1
    assert place_of("ant", both(folder, tmp_path / "current")) is not None


def test_paths_of_a_setting_are_made_absolute_and_packages_are_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/me")
    settings = Settings.from_env({"SLIPSTREAM_MODELS": "include.models:./models:~/shop"})
    assert settings.models == f"include.models:{tmp_path}/models:/home/me/shop"
    assert Settings.from_env({}).models == "include.models"


def test_a_path_beside_the_project_is_found_wherever_that_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path / "places" / "0" / "models", "brought")
    monkeypatch.setattr(places, "_OWN", tmp_path / "include" / "models")  # where a job's package was unpacked
    assert places.resolved("include.models:@project/places/0/models") == f"include.models:{tmp_path}/places/0/models"
    places.activate("@project/places/0/models")
    assert places.folder_of("brought") == tmp_path / "places" / "0" / "models"


def test_a_process_that_only_has_the_setting_finds_the_models_by_import(tmp_path: Path) -> None:
    """As a worker does that unpickles a class of a model's."""
    folder = make(tmp_path / "models", "ant")
    env = {"PYTHONPATH": str(PROJECT), "SLIPSTREAM_MODELS": f"include.models:{folder}", "PATH": os.environ["PATH"]}
    code = "import include.models.ant.train as t, include.models.flight_delay.spec; print(t.__file__)"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(folder / "ant" / "train.py")


def test_packages_that_python_finds_elsewhere_are_named_for_other_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shop_models").mkdir()
    (tmp_path / "shop_models" / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    assert places.search_path("include.models:shop_models.inner:examples.models:/srv/shop") == [str(tmp_path)]

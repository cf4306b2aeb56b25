"""What reading a spec imports, and how long it takes: DAG files do it every few seconds, in every process that parses them."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from include.authoring.places import package_of
from include.core.catalog import is_set
from include.core.digest import PROJECT
from include.core.errors import SpecError
from include.core.places import SET_FILE, SPEC_FILE
from include.core.settings import Settings

# Known to cost from a tenth of a second to many; what else costs more than SLOW is named as well.
HEAVY = frozenset({
    "catboost", "datasets", "duckdb", "evidently", "feast", "great_expectations", "jax", "keras", "lightgbm", "lightning",
    "matplotlib", "mlflow", "numpy", "onnx", "onnxruntime", "pandas", "polars", "pyarrow", "pyspark", "pytorch_lightning", "ray",
    "scipy", "skl2onnx", "sklearn", "statsmodels", "tensorflow", "torch", "transformers", "xgboost",
})  # fmt: skip
SLOW = 0.5  # seconds
_LINE = re.compile(r"import time:\s+\d+ \|\s+(\d+) \| (\s*)(\S+)")
_READ = "import sys, include.core.catalog; __import__(sys.argv[1])"  # a statement: importlib's own calls are not told
_PATIENCE = 120  # seconds that importing a spec may take


@dataclass(frozen=True)
class Import:
    """A library that reading the spec imports: the seconds that takes, and the modules of ours through which it came."""

    name: str
    seconds: float
    through: tuple[str, ...]  # outermost first; of the model's folder or of the project


def check_imports(model: str, settings: Settings) -> str:
    """Read the spec in a process of its own; returns what to say of it. Raises SpecError that names heavy libraries."""
    found = imports(model, settings)
    heavy = [each for each in found if each.name in HEAVY or each.seconds > SLOW]
    if heavy:
        named = ", ".join(f"{each.name} ({each.seconds:.1f} s)" for each in heavy)
        raise SpecError(
            f"Reading the spec of model {model!r} imports {named}: DAG files read it every few seconds.",
            seen="; ".join(dict.fromkeys(_place(each, f"{package_of(model, settings.models)}.{model}") for each in heavy)),
            safe="the model's results; its DAGs work, and are slow to parse.",
            hint="move the import into the function that needs it: a spec names code by text, 'package.module:name'.",
        )
    return "nothing heavy" + (f"; {', '.join(each.name for each in found)} is quick" if found else "")


def imports(model: str, settings: Settings) -> list[Import]:
    """The libraries that the spec brings in, beside the standard library and what the spec's own types need."""
    folder = f"{package_of(model, settings.models)}.{model}"
    file = SET_FILE if is_set(model, settings.models) else SPEC_FILE
    command = [sys.executable, "-X", "importtime", "-c", _READ, f"{folder}.{file.removesuffix('.py')}"]
    done = subprocess.run(
        command, env=child_environment(settings), capture_output=True, text=True, check=False, timeout=_PATIENCE
    )
    return list(_libraries(done.stderr, folder))


def child_environment(settings: Settings) -> dict[str, str]:
    """For a process that is to find the same modules and the same models."""
    path = os.pathsep.join(dict.fromkeys([str(PROJECT), *filter(None, sys.path)]))
    return {**os.environ, "PYTHONPATH": path, "SLIPSTREAM_HOME": str(settings.home), "SLIPSTREAM_MODELS": settings.models}


def _libraries(told: str, folder: str) -> Iterator[Import]:
    """From what `-X importtime` writes: a line a module, each after those that it imported itself, which stand further in."""
    above: list[tuple[int, str]] = []
    for line in reversed(told.splitlines()):
        if (match := _LINE.match(line)) is None:
            continue
        depth, name = len(match[2]), match[3]
        above = [each for each in above if each[0] < depth]
        parents = tuple(parent for _, parent in above)
        above.append((depth, name))
        of_model = any(_is_in(parent, folder) for parent in parents)
        if of_model and _is_library(name, folder) and not any(_is_library(parent, folder) for parent in parents):
            start = next(place for place, parent in enumerate(parents) if _is_in(parent, folder))
            yield Import(name.partition(".")[0], int(match[1]) / 1e6, parents[start:])


def _is_in(module: str, folder: str) -> bool:
    return module == folder or module.startswith(f"{folder}.")


def _is_library(module: str, folder: str) -> bool:
    root = module.partition(".")[0]
    return root not in sys.stdlib_module_names and root not in ("include", folder.partition(".")[0])


def _place(found: Import, folder: str) -> str:
    """The line of the author's that imports it, as far as that is known."""
    chain = (*found.through, found.name)
    at = max(place for place, module in enumerate(chain) if _is_in(module, folder))
    module, wanted = chain[at], chain[at + 1]
    source = find_spec(module)
    if source is None or not source.origin:
        return f"{module} imports {wanted}"
    path = Path(source.origin)
    lines = [node.lineno for node in ast.parse(path.read_text()).body if wanted in _imported(node)]
    shown = path.relative_to(PROJECT) if path.is_relative_to(PROJECT) else path
    return f"{shown}{f':{lines[0]}' if lines else ''} imports {wanted}"


def _imported(node: ast.stmt) -> set[str]:
    """The modules that a statement imports, and the packages they are in."""
    names: list[str] = []
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom) and node.module:
        names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    parts = [name.split(".") for name in names]
    return {".".join(each[:count]) for each in parts for count in range(1, len(each) + 1)}

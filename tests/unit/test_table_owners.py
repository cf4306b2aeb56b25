"""Each table of the control store has one owner: nobody else takes the table in hand, they call the owner's functions.

Read from the sources: which module imports which table object, and who writes a version's stage.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from include.core.control import metadata
from tests.support import sources

ROOT = Path(__file__).parents[2]
ROOTS = ("include", "operators", "plugins", "dags")
STORE = "include.core.control"

OWNERS: dict[str, tuple[str, ...]] = {
    "effects": ("include.core",),
    "documents": ("include.core",),  # include/core/documents.py: each kind is asked for by who declares it
    "fences": ("include.core",),
    "audit": ("include.core", "include.governance"),  # who adds a row, and who verifies and shows the chain
    "rollouts": ("include.rollout", "include.rollout_state"),  # who changes them, and what others may ask of them
    "rollout_events": ("include.rollout", "include.rollout_state"),
    "rollout_folds": ("include.rollout",),
    "rollout_stages": ("include.rollout",),
    "rollout_sources": ("include.rollout",),
    "rollout_parts": ("include.rollout",),
    "experiments": ("include.experiments", "include.experiment_state"),
    "experiment_looks": ("include.experiments",),
    "routes": ("include.routing",),
    "gateways": ("include.routing.gateways",),
    "tokens": ("include.serving.http.shared_tokens",),
    "partitions": ("include.data.published", "include.data.extents"),  # who publishes, and what the console asks of all models
    "versions": ("include.versions",),
    "mirrors": ("include.governance.mirror",),
    "decisions": ("include.monitoring.retraining",),
}


def modules() -> Iterator[tuple[str, tuple[ast.AST, ...]]]:
    """Every module's name, and all nodes of its source."""
    return ((named(path), sources.nodes(path)) for path in sources.files(*ROOTS))


def named(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def tables_of(nodes: tuple[ast.AST, ...]) -> set[str]:
    """The tables that a module takes in hand: imported by name, or as an attribute of the store's module."""
    tables = {name.removeprefix("slipstream_") for name in metadata.tables}
    found: set[str] = set()
    aliases: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and node.module == STORE:
            found |= {each.name for each in node.names}
        if isinstance(node, ast.ImportFrom) and node.module == "include.core":
            aliases |= {each.asname or each.name for each in node.names if each.name == "control"}
        if isinstance(node, ast.Import):
            aliases |= {each.asname for each in node.names if each.name == STORE and each.asname}
    for node in nodes:
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in aliases:
            found.add(node.attr)
    return found & tables


def inside(module: str, packages: tuple[str, ...]) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def test_nobody_takes_another_s_table_in_hand() -> None:
    strangers = [
        f"{module} uses {table}, which is {' and '.join(OWNERS[table])}'s"
        for module, nodes in modules()
        if module != STORE
        for table in sorted(tables_of(nodes) & OWNERS.keys())
        if not inside(module, OWNERS[table])
    ]
    assert strangers == []


def test_sql_as_text_names_a_table_only_where_its_owner_is() -> None:
    strangers = [
        f"{module} names {table}"
        for module, nodes in modules()
        if module != STORE
        for node in nodes
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        for table in OWNERS
        if f"slipstream_{table}" in node.value.split() and " FROM " in node.value and not inside(module, OWNERS[table])
    ]
    assert strangers == []


@pytest.mark.parametrize("statement", ["insert", "update", "delete"])
def test_a_version_s_stage_is_written_by_the_state_machine_alone(statement: str) -> None:
    """`store.add_in` is where a version enters it; of what was added only `lifecycle.move_in` writes the column."""
    writers = {
        module
        for module, nodes in modules()
        for node in nodes
        if isinstance(node, ast.Attribute) and node.attr == statement
        if isinstance(node.value, ast.Name) and node.value.id == "versions" and "versions" in tables_of(nodes)
    }
    allowed = {
        "insert": {"include.versions.store"},
        "update": {"include.versions.lifecycle", "include.versions.store"},
        "delete": set(),
    }
    assert writers == allowed[statement]


def test_what_rewrites_a_version_s_record_leaves_its_stage_alone() -> None:
    tree = ast.parse((ROOT / "include/versions/store.py").read_text())
    rewrite = next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "rewrite_in")
    assert "stage=" not in ast.unparse(rewrite)

"""Every fail point of the sources, and which of them a run has passed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from include.core.digest import PROJECT, digest_file, digest_json
from tests.chaos.protocol import Absent, Step
from tests.support.fault_points import SOURCES, in_sources

# Points of no step of the loop: each is killed at in a test of its own.
ELSEWHERE = {
    "audit.seal": "tests/security/test_audit.py",
    "audit.sealed": "tests/security/test_audit.py",
    "schema.migrate.begin": "tests/upgrade/test_migrate.py",
    "schema.documents.copied": "tests/upgrade/test_migrate.py",
    "schema.migrate.done": "tests/upgrade/test_migrate.py",
    "schema.migrate.committed": "tests/upgrade/test_migrate.py",
    "range.chunk.taken": "tests/unit/ranges/test_take_in.py",
    "range.day.made": "tests/unit/ranges/test_take_in.py",
    "range.day.published": "tests/unit/ranges/test_take_in.py",
    "range.chunk.online": "tests/unit/ranges/test_take_in.py",
    "import.stored": "tests/unit/handover/test_register.py",
    **dict.fromkeys(("checkpoint.shard", "checkpoint.shards"), "tests/integration/test_sharded_fit.py"),
    **dict.fromkeys(
        ("log.ship.listed", "log.ship.read", "log.ship.created", "log.ship.rotated"), "tests/unit/prediction_log/test_shipping.py"
    ),
    "log.ship.unlink": "tests/unit/prediction_log/test_shipping.py",
    **dict.fromkeys(
        ("log.compact.read", "log.compact.created", "log.compact.delete"), "tests/unit/prediction_log/test_compaction.py"
    ),
    "log.redact.revised": "tests/unit/prediction_log/test_compaction.py",
    **dict.fromkeys(
        (
            "evidence.stage.begun",
            "evidence.look.read",
            "evidence.settle.written",
            "evidence.publish.head",
            "evidence.publish.read",
            "evidence.publish.written",
            "evidence.publish.committed",
        ),
        "tests/contract/test_evidence_store.py",
    ),
    **dict.fromkeys(("evidence.endpoint.read", "evidence.endpoint.written"), "tests/unit/rollout/test_endpoint_evidence.py"),
    **dict.fromkeys(("package.create", "package.created"), "tests/unit/backends/sagemaker/test_model_registry.py"),
    **dict.fromkeys(("root.claim", "root.claimed"), "tests/unit/backup/test_restore.py"),
    **dict.fromkeys(
        ("backup.table", "backup.part", "backup.data", "backup.parts", "backup.written"), "tests/unit/backup/test_create.py"
    ),
    **dict.fromkeys(
        ("restore.rows", "restore.filled", "restore.done", "restore.committed", "restore.seal", "restore.file"),
        "tests/unit/backup/test_restore.py",
    ),
    **dict.fromkeys(
        ("gc.condemn", "gc.condemned", "gc.withdraw", "gc.withdrawn.kept", "gc.withdrawn"), "tests/unit/retention/test_ledger.py"
    ),
    **dict.fromkeys(("audit.anchor", "audit.anchored"), "tests/unit/governance/test_anchors.py"),
    "dossier.stored": "tests/unit/overview/dossier/test_keep.py",
    **dict.fromkeys((name for name in in_sources() if name.startswith("forget.")), "tests/unit/forgetting/test_run.py"),
    "forget.mlflow.written": "tests/integration/test_forget_mlflow.py",
    **dict.fromkeys(("gc.raw.marked", "scores.withdrawn"), "tests/unit/retention/test_datasets.py"),
    "gc.version.looked": "tests/unit/retention/test_versions.py",
    "gc.version.shown": "tests/unit/retention/test_versions.py",
    "gc.version.marked": "tests/unit/retention/test_versions.py",
    "gc.version.locked": "tests/unit/retention/test_versions.py",
    "gc.version.given_up": "tests/unit/retention/test_versions.py",
    **dict.fromkeys(("gc.remove", "gc.removed", "gc.lift", "gc.lifted"), "tests/unit/retention/test_ledger.py"),
    **dict.fromkeys(
        ("landing.started", "landing.recorded", "landing.done", "landing.written", "landing.noted"),
        "tests/unit/operators/test_landing.py",
    ),
    **dict.fromkeys(("after_verdict.withdraw", "after_verdict.withdrawn"), "tests/contract/test_approval_store.py"),
    **dict.fromkeys(("approval.decide", "approval.decided", "approval.committed"), "tests/contract/test_approval_store.py"),
    **dict.fromkeys(("experiment.applied", "experiment.looked"), "tests/unit/operators/test_experiment.py"),
    **dict.fromkeys(("scores.recorded", "scores.written"), "tests/unit/scoring/test_table.py"),
    "reconciler.noted": "tests/unit/reconcile/test_run.py",
    "reconciler.triggered": "tests/unit/reconcile/test_run.py",
}
COSTLY = (
    "mlflow.",
    "checkpoint.",
    "train.step",
    "search.",
    "endpoint.",
)  # passed where a server runs, or a network is trained: not in a sample


def sources_digest() -> str:
    paths = sorted(path for folder in (*SOURCES, "tests") for path in (PROJECT / folder).rglob("*.py"))
    return digest_json([digest_file(path) for path in paths])


def in_cells(steps: Mapping[str, Step]) -> set[str]:
    """Those that some cell puts a fault at."""
    cells = [cell for step in steps.values() for cell in step.cells.values() if not isinstance(cell, Absent)]
    return {name for cell in cells for variant in cell for name in getattr(variant.how, "points", ())}


def read(trace: Path) -> set[str]:
    return {line.split()[0] for line in trace.read_text().splitlines()} if trace.exists() else set()


def dead(passed: Iterable[str], *, whole: bool) -> list[str]:
    """Points that no trial has passed."""
    missing = in_sources() - set(passed) - set(ELSEWHERE)
    return sorted(name for name in missing if whole or not name.startswith(COSTLY))

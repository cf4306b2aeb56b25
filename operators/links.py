"""Buttons on a task: its MLflow run, its job, its report, its data docs. A task sets what it knows while it runs."""

from __future__ import annotations

from typing import Any, ClassVar

from airflow.sdk import BaseOperatorLink


class _TaskLink(BaseOperatorLink):
    kind: ClassVar[str]

    @property
    def name(self) -> str:
        return self.kind

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        return str(getattr(operator, "links", {}).get(self.kind, ""))


class DataDocsLink(_TaskLink):
    kind = "Data docs"


class ReportLink(_TaskLink):
    kind = "Report"


class JobLink(_TaskLink):
    kind = "Job"


class MlflowRunLink(_TaskLink):
    kind = "MLflow run"


def report_url(path: str) -> str:
    """Where the UI plugin serves a report of the ledger."""
    return f"/slipstream/files/{path}"


def evidence_url(model: str, rollout: str) -> str:
    """Where the UI plugin draws a rollout's evidence against its boundaries."""
    return f"/slipstream/api/models/{model}/rollouts/{rollout}"

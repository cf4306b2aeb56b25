"""Every variable of ours that a deployment file names is one that Slipstream reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from include.core.environment import VARIABLES
from tests.support.deployment_files import ROOT, deployment_files, variables

KNOWN = {variable.name for variable in VARIABLES}


@pytest.mark.parametrize("path", deployment_files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_names_no_variable_that_nothing_reads(path: Path) -> None:
    assert sorted(variables(path) - KNOWN) == []


def test_a_misspelt_variable_would_be_found(tmp_path: Path) -> None:
    (tmp_path / "values.yaml").write_text("SLIPSTREAM_ROOTS: s3://b/p\nAIRFLOW_CONN_SLIPSTREAM_RAY: x\n")
    assert variables(tmp_path / "values.yaml") - KNOWN == {"SLIPSTREAM_ROOTS"}


def test_the_files_of_each_deployment_are_looked_at() -> None:
    names = {str(path.relative_to(ROOT)) for path in deployment_files()}
    assert {"astro.yaml", "docker/compose.yaml", "docker/make-secrets.sh", "helm/airflow-values.yaml"} <= names
    assert {"helm/slipstream/values.yaml", "helm/slipstream/templates/settings.yaml", "helm/examples/production.yaml"} <= names

"""A model that was trained elsewhere, in a real MLflow: registered there as a version, and taken in from there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from include.core.errors import DataError
from include.governance.lineage import trace
from include.handover.register import register
from include.model_contract.encoder import Encoder
from include.model_contract.model import open_model
from include.services.services import Services
from tests.support.mlflow_server import PASSWORD, mlflow_server
from tests.support.parcel import ROUTES, write_parcel

MODEL = "parcel"


def test_a_version_of_mlflow_is_taken_in_by_its_address(tmp_path: Path) -> None:
    url = mlflow_server()
    environ = {
        "SLIPSTREAM_HOME": str(tmp_path),
        "SLIPSTREAM_MODELS": "tests.support.unmanaged",
        "SLIPSTREAM_MLFLOW_URL": url,
        "AIRFLOW_CONN_SLIPSTREAM_MLFLOW": url.replace("//", f"//admin:{PASSWORD}@"),
    }
    services = Services.from_env(environ)
    first = register(MODEL, write_parcel(tmp_path / "parcel.onnx"), services=services, categories=ROUTES, by="ada")
    client = services.registry().client  # type: ignore[attr-defined]
    version = client.get_model_version(MODEL, str(first.version))
    assert version.tags["slipstream.source.digest"] == first.source
    assert version.tags["slipstream.origin"] == "imported"
    assert "trained elsewhere" in version.description
    client.set_registered_model_alias(MODEL, "best", str(first.version))
    address = f"models:/{MODEL}/{first.version}"
    second = register(MODEL, f"models:/{MODEL}@best", services=services, categories=ROUTES, by="grace")
    assert second.version != first.version  # other bytes: those that serve, which take one tensor
    assert register(MODEL, address, services=services, categories=ROUTES).version == second.version
    result = services.ledger.resolve(second.record.entry.lineage.train)
    assert (result.value["source"]["uri"], result.value["source"]["by"]) == (address, "grace")
    assert trace(services.ledger, services.control, MODEL, second.version).intact
    encoder = Encoder.from_json(json.loads(services.storage.read(result.files["signature.json"].path)))
    rows = encoder.encode_rows([{"weight": 1.5, "route": "sea"}, {"weight": 0.2, "route": "air"}])
    before = services.ledger.resolve(first.record.entry.lineage.train)
    models = [open_model(services.storage.fetch(each.files["model.onnx"].path, tmp_path)) for each in (before, result)]
    assert models[0].score(rows).tolist() == models[1].score(rows).tolist()
    with pytest.raises(DataError, match="gives no model for models:/parcel/99"):
        register(MODEL, "models:/parcel/99", services=services, categories=ROUTES)

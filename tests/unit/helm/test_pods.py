"""What `make e2e-pods` gives podman: each pod talks to the trial's servers, and to nothing that an example of the chart names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.support.later import Later

manifests: Any = Later("tests.pods.manifests")
PARTS = ("upgrade", "gateway", "mlflow", "mlflow-accounts", "ray")
ADDRESSES = {"SLIPSTREAM_ROOT", "SLIPSTREAM_GATEWAY_URL", "SLIPSTREAM_MLFLOW_URL", "SLIPSTREAM_RAY_URL", "SLIPSTREAM_AIRFLOW_URL"}


def test_an_address_that_a_pod_is_given_is_the_trials() -> None:
    ports = manifests.Ports(1, 2, 3)
    wanted = manifests.settings(ports)["data"]
    given: dict[str, set[str]] = {}
    for part in PARTS:
        for container in manifests.pod(part, ports, Path("/packages"), Path("/files"))["spec"]["containers"]:
            found = {each["name"]: each["value"] for each in container.get("env", []) if "value" in each}
            given[part] = ADDRESSES & set(found)
            assert {name: found[name] for name in given[part]} == {name: wanted[name] for name in given[part]}, part
    assert given["upgrade"] == ADDRESSES, "a hook has no ConfigMap"

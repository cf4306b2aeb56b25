"""The chart's pods, as podman plays them on this machine.

What is changed, and nothing else: the image is a stand-in into which the project and its packages are mounted; the pods share
this machine's network, so that they reach its servers, and listen on loopback, on ports that are free; the settings and Secrets
are the trial's, and a Secret's volume is a folder with the owner and the mode that a cluster gives it (podman 4.3 writes such
volumes in Base64). The order of pods is Helm's and KubeRay's: there is no cluster here.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.pods.engine import STANDIN
from tests.pods.servers import BUCKET, HOST, Servers
from tests.support import chart
from tests.support.pod_policy import pod_templates

Document = dict[str, Any]
GROUP = 50000
TOKEN, REGISTRY, JOBS, ADMIN = ("token-of-the-trial", "registry-of-the-trial", "jobs-of-the-trial", "admin-of-the-trial")


@dataclass(frozen=True)
class Ports:
    gateway: int
    mlflow: int
    ray: int


def settings(ports: Ports) -> Document:
    """The chart's ConfigMap, with addresses of this machine."""
    (found,) = (each for each in chart.read("default") if each["metadata"]["name"] == "slipstream-settings")
    data = {
        "SLIPSTREAM_ROOT": f"s3://{BUCKET}/pods",
        "SLIPSTREAM_GATEWAY_URL": f"http://{HOST}:{ports.gateway}",
        "SLIPSTREAM_MLFLOW_URL": f"http://{HOST}:{ports.mlflow}",
        "SLIPSTREAM_RAY_URL": f"http://{HOST}:{ports.ray}",
        "SLIPSTREAM_AIRFLOW_URL": f"http://{HOST}:9",  # nobody
    }
    return {**found, "data": {**found["data"], **data}}


def secrets(servers: Servers, ports: Ports) -> dict[str, dict[str, str]]:
    """Name to the values by key, in Base64."""
    storage = {
        "conn_type": "aws", "login": "testing", "password": "testing",
        "extra": {"region_name": "us-east-1", "endpoint_url": servers.s3},
    }  # fmt: skip
    auth = "\n".join((
        "[mlflow]", "default_permission = READ", f"database_uri = {servers.mlflow_users_url}", "admin_username = admin",
        "authorization_function = mlflow.server.auth:authenticate_request_basic_auth",
    ))  # fmt: skip
    held = {
        "slipstream-stores": {"SLIPSTREAM_CONTROL_URL": servers.control_url, "SLIPSTREAM_ONLINE_URL": servers.online_url},
        "slipstream-gateway": {"AIRFLOW_CONN_SLIPSTREAM_GATEWAY": f"slipstream-gateway://:{TOKEN}@{HOST}:{ports.gateway}"},
        "slipstream-entities": {"AIRFLOW_CONN_SLIPSTREAM_ENTITIES": "generic://:key-of-the-trial@/"},
        "slipstream-storage": {"AIRFLOW_CONN_AWS_DEFAULT": json.dumps(storage)},
        "slipstream-ray": {
            "auth_token": TOKEN,
            "AIRFLOW_CONN_SLIPSTREAM_RAY": f"slipstream-ray://:{TOKEN}@{HOST}:{ports.ray}",
        },
        "slipstream-mlflow": {
            "MLFLOW_BACKEND_STORE_URI": servers.mlflow_url,
            "MLFLOW_AUTH_ADMIN_PASSWORD": ADMIN,
            "MLFLOW_FLASK_SERVER_SECRET_KEY": "key-of-the-trial",
            "auth.ini": auth,
        },
        "slipstream-mlflow-accounts": {
            "MLFLOW_ADMIN_PASSWORD": ADMIN, "MLFLOW_REGISTRY_PASSWORD": REGISTRY, "MLFLOW_JOBS_PASSWORD": JOBS,
        },
        "slipstream-artifacts": {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"},
    }  # fmt: skip
    return {
        name: {key: base64.b64encode(value.encode()).decode() for key, value in values.items()} for name, values in held.items()
    }


def write_files(folder: Path, name: str, values: Mapping[str, str]) -> None:
    """A Secret's values as the files of its volume: root's, for the pod's group to read."""
    (folder / name).mkdir(mode=0o755)
    for key, value in values.items():
        path = folder / name / key
        path.write_bytes(base64.b64decode(value))
        os.chown(path, 0, GROUP)
        path.chmod(0o440)


def pod(part: str, ports: Ports, packages: Path, files: Path) -> Document:
    """The pod of a part, as the staging example has it: it takes the storage's login from a Secret."""
    (manifest,) = (
        each for each in chart.read("staging") if each["kind"] in ("Deployment", "Job", "RayCluster") and _part(each) == part
    )
    _, template = next(iter(pod_templates(manifest)))
    spec = deepcopy(template["spec"])
    spec.update(hostNetwork=True, restartPolicy="Never")
    held = [_mounted(each["name"], files / each["secret"]["secretName"]) for each in spec["volumes"] if "secret" in each]
    spec["volumes"] = [each for each in spec["volumes"] if "secret" not in each] + held
    spec["volumes"] += [_mounted("project", chart.ROOT), _mounted("packages", packages)]
    for container in spec["containers"]:
        container.update(image=STANDIN, imagePullPolicy="Never", ports=[])  # of the machine
        container["volumeMounts"] += [
            {"name": "project", "mountPath": "/opt/project", "readOnly": True},
            {"name": "packages", "mountPath": "/opt/site", "readOnly": True},
        ]
        container["command"] = _command(part, container.get("command"), ports)
        container["env"] = [_addressed(each, settings(ports)["data"]) for each in container.get("env", [])]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": part, "labels": {"app": part}}, "spec": spec}


def _part(manifest: Document) -> str:
    return str(manifest["metadata"]["labels"]["app.kubernetes.io/component"])


def _mounted(name: str, folder: Path) -> Document:
    return {"name": name, "hostPath": {"path": str(folder), "type": "Directory"}}


def _addressed(variable: Document, data: Mapping[str, str]) -> Document:
    """A hook runs before there is a ConfigMap: the chart writes the settings into its pod."""
    known = "value" in variable and variable["name"] in data
    return {**variable, "value": data[variable["name"]]} if known else variable


def _command(part: str, command: list[str] | None, ports: Ports) -> list[str]:
    if part == "ray":  # as KubeRay makes it of the cluster's parameters
        addresses = f"--node-ip-address={HOST} --port=0 --dashboard-host={HOST} --dashboard-port={ports.ray}"
        bounds = "--dashboard-agent-listen-port=52365 --num-cpus=1 --object-store-memory=100000000"
        return ["bash", "-c", f"ray start --head --block {addresses} {bounds} --disable-usage-stats"]
    replaced = {
        "--host=0.0.0.0": f"--host={HOST}",
        "--port=8500": f"--port={ports.gateway}",
        "--port=5500": f"--port={ports.mlflow}",
    }
    words = [replaced.get(word, word) for word in command or []]
    return [f"--allowed-hosts={HOST}:{ports.mlflow}" if word.startswith("--allowed-hosts=") else word for word in words]

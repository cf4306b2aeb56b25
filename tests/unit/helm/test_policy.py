"""Every rule of the policy can fail, and says what fails it."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from tests.support.pod_policy import faults

GOOD: dict[str, Any] = {
    "kind": "Deployment",
    "metadata": {"name": "x"},
    "spec": {
        "template": {
            "spec": {
                "serviceAccountName": "x",
                "automountServiceAccountToken": False,
                "enableServiceLinks": False,
                "securityContext": {"runAsNonRoot": True, "runAsUser": 50000, "seccompProfile": {"type": "RuntimeDefault"}},
                "containers": [
                    {
                        "name": "c",
                        "image": "registry/x:1",
                        "securityContext": {
                            "allowPrivilegeEscalation": False,
                            "readOnlyRootFilesystem": True,
                            "capabilities": {"drop": ["ALL"]},
                        },
                        "resources": {"requests": {"cpu": 1, "memory": "1Gi"}, "limits": {"cpu": 1, "memory": "1Gi"}},
                        "readinessProbe": {"httpGet": {}},
                        "livenessProbe": {"httpGet": {}},
                        "env": [{"name": "RAY_AUTH_TOKEN_PATH", "value": "/etc/ray/token"}],
                    }
                ],
                "volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": "1Gi"}}],
            }
        }
    },
}
POD, CONTAINER = ("spec", "template", "spec"), ("spec", "template", "spec", "containers", 0)
BAD = [
    ((*POD, "securityContext", "runAsNonRoot"), False, "may run as root"),
    ((*POD, "securityContext", "runAsUser"), 0, "may run as root"),
    ((*POD, "securityContext", "seccompProfile"), {}, "no seccomp profile"),
    ((*POD, "automountServiceAccountToken"), True, "token is mounted"),
    ((*POD, "serviceAccountName"), "default", "default account"),
    ((*POD, "enableServiceLinks"), True, "links of Services"),
    ((*POD, "hostNetwork"), True, "the host's hostNetwork"),
    ((*POD, "volumes"), [{"name": "v", "hostPath": {"path": "/"}}], "the host's file system"),
    ((*POD, "volumes"), [{"name": "v", "emptyDir": {}}], "without a limit"),
    ((*POD, "volumes"), [{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}], "pods may share"),
    ((*CONTAINER, "securityContext", "allowPrivilegeEscalation"), True, "gain privileges"),
    ((*CONTAINER, "securityContext", "privileged"), True, "gain privileges"),
    ((*CONTAINER, "securityContext", "readOnlyRootFilesystem"), False, "can be written"),
    ((*CONTAINER, "securityContext", "capabilities"), {"drop": ["ALL"], "add": ["NET_ADMIN"]}, "holds capabilities"),
    ((*CONTAINER, "securityContext", "capabilities"), {}, "holds capabilities"),
    ((*CONTAINER, "securityContext", "runAsUser"), 0, "runs as root"),
    ((*CONTAINER, "resources", "limits", "memory"), None, "no memory in its limits"),
    ((*CONTAINER, "resources", "requests", "cpu"), None, "no cpu in its requests"),
    ((*CONTAINER, "image"), "registry/x:latest", "changes under its name"),
    ((*CONTAINER, "image"), "registry:5000/x", "changes under its name"),
    ((*CONTAINER, "readinessProbe"), None, "no readinessProbe"),
    ((*CONTAINER, "livenessProbe"), None, "no livenessProbe"),
    ((*CONTAINER, "env"), [{"name": "MLFLOW_ADMIN_PASSWORD", "value": "hunter2"}], "the value of a secret"),
    ((*CONTAINER, "env"), [{"name": "SLIPSTREAM_CONTROL_URL", "value": "postgresql://h/d"}], "the value of a secret"),
    ((*CONTAINER, "env"), [{"name": "ANYTHING", "value": "redis://:pw@host:6379/0"}], "the value of a secret"),
]  # fmt: skip


def changed(path: tuple[str | int, ...], value: object) -> dict[str, Any]:
    made = deepcopy(GOOD)
    at: Any = made
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    return made


def test_what_keeps_the_rules_has_no_fault() -> None:
    assert faults(GOOD) == []


@pytest.mark.parametrize(("path", "value", "words"), BAD, ids=lambda each: each if isinstance(each, str) else None)
def test_each_rule_can_fail(path: tuple[str | int, ...], value: object, words: str) -> None:
    (fault,) = faults(changed(path, value))
    assert words in fault
    assert fault.startswith("Deployment/x: ")


def test_an_image_by_its_digest_is_pinned() -> None:
    assert faults(changed((*CONTAINER, "image"), "registry:5000/x@sha256:" + "0" * 64)) == []


def test_a_job_needs_no_probes_and_everything_else() -> None:
    job = changed((*CONTAINER, "livenessProbe"), None)
    job["kind"] = "Job"
    assert faults(job) == []
    job["spec"]["template"]["spec"]["enableServiceLinks"] = True
    assert len(faults(job)) == 1


def test_every_pod_of_a_ray_cluster_is_looked_at() -> None:
    template = deepcopy(GOOD["spec"]["template"])
    template["spec"]["hostPID"] = True
    cluster = {
        "kind": "RayCluster",
        "metadata": {"name": "r"},
        "spec": {
            "headGroupSpec": {"template": GOOD["spec"]["template"]},
            "workerGroupSpecs": [{"groupName": "g", "template": template}],
        },
    }
    assert faults(cluster) == ["RayCluster/r: g: the host's hostPID"]


@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        ({"kind": "Secret", "data": {"password": "cHc="}}, "a Secret with values"),
        ({"kind": "RoleBinding"}, "rights on the API server"),
        ({"kind": "ServiceAccount"}, "its token is mounted"),
    ],
)
def test_what_is_no_pod_has_rules_too(manifest: dict[str, Any], words: str) -> None:
    (fault,) = faults({**manifest, "metadata": {"name": "x"}})
    assert words in fault

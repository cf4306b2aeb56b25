"""What every pod of ours must be: a function a rule, which names what breaks it. Read off manifests as data.

The words are those of Kubernetes' Pod Security Standards ("restricted"), and a few of our own: nothing without limits and probes,
no token of the API server, no links of Services (they would be read as our settings), no secret's value in a manifest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from include.core.address import shown
from include.core.environment import STORES
from include.core.environment_aws import (
    AWS_CA_BUNDLE,
    AWS_DEFAULT_REGION,
    AWS_REGION,
    AWS_WEB_IDENTITY_TOKEN_FILE,
    SECRETS_BACKEND,
    SECRETS_KWARGS,
)
from include.local.rights import is_secret

Manifest = Mapping[str, Any]
Faults = Iterator[str]
RIGHTS = frozenset({"Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"})
WORKLOADS = frozenset({"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job"})
PLAIN = frozenset(  # of the cloud, and no login: the chart's schema refuses a key among the backend's arguments
    each.name
    for each in (AWS_CA_BUNDLE, AWS_DEFAULT_REGION, AWS_REGION, AWS_WEB_IDENTITY_TOKEN_FILE, SECRETS_BACKEND, SECRETS_KWARGS)
)


def faults(manifest: Manifest) -> list[str]:
    """Everything that is wrong with a manifest: "Kind/name: what"."""
    name = f"{manifest['kind']}/{manifest['metadata']['name']}"
    found = [*of_manifest(manifest)]
    for where, template in pod_templates(manifest):
        ends = manifest["kind"] == "Job"
        found += [f"{where}{fault}" for rule in POD_RULES for fault in rule(template["spec"])]
        for container in containers(template["spec"]):
            rules = CONTAINER_RULES if ends else (*CONTAINER_RULES, probes)
            found += [f"{where}{container['name']}: {fault}" for rule in rules for fault in rule(container)]
    return [f"{name}: {fault}" for fault in found]


def pod_templates(manifest: Manifest) -> Iterator[tuple[str, Manifest]]:
    """(where, template) of each kind of pod that a manifest makes."""
    spec = manifest.get("spec", {})
    if manifest["kind"] in WORKLOADS:
        yield "", spec["template"]
    elif manifest["kind"] == "Pod":
        yield "", manifest
    elif manifest["kind"] == "CronJob":
        yield "", spec["jobTemplate"]["spec"]["template"]
    elif manifest["kind"] == "RayCluster":
        yield "head: ", spec["headGroupSpec"]["template"]
        yield from ((f"{group['groupName']}: ", group["template"]) for group in spec["workerGroupSpecs"])


def containers(spec: Manifest) -> list[Manifest]:
    return [*spec.get("initContainers", ()), *spec["containers"]]


# -- rules ---------------------------------------------------------------------------------------------------


def of_manifest(manifest: Manifest) -> Faults:
    if manifest["kind"] == "Secret":
        yield "a Secret with values: the chart refers to Secrets"
    if manifest["kind"] in RIGHTS:
        yield "rights on the API server"
    if manifest["kind"] == "ServiceAccount" and manifest.get("automountServiceAccountToken") is not False:
        yield "its token is mounted"


def no_root(spec: Manifest) -> Faults:
    context = spec.get("securityContext", {})
    if context.get("runAsNonRoot") is not True or not context.get("runAsUser"):
        yield "may run as root"
    if context.get("seccompProfile", {}).get("type") != "RuntimeDefault":
        yield "no seccomp profile"


def no_rights(spec: Manifest) -> Faults:
    if spec.get("automountServiceAccountToken") is not False:
        yield "the API server's token is mounted"
    if spec.get("serviceAccountName", "default") == "default":
        yield "the namespace's default account"


def no_links(spec: Manifest) -> Faults:
    if spec.get("enableServiceLinks") is not False:
        yield "links of Services in its environment"


def no_host(spec: Manifest) -> Faults:
    yield from (f"the host's {name}" for name in ("hostNetwork", "hostPID", "hostIPC") if spec.get(name))
    for volume in spec.get("volumes", ()):
        if "hostPath" in volume:
            yield f"the host's file system ({volume['name']})"
        if "emptyDir" in volume and not (volume["emptyDir"] or {}).get("sizeLimit"):
            yield f"a folder without a limit ({volume['name']})"
        if "persistentVolumeClaim" in volume:
            yield f"a volume that pods may share ({volume['name']})"


def closed_container(container: Manifest) -> Faults:
    context = container.get("securityContext", {})
    if context.get("privileged") or context.get("allowPrivilegeEscalation") is not False:
        yield "may gain privileges"
    if context.get("readOnlyRootFilesystem") is not True:
        yield "its root file system can be written"
    if context.get("capabilities", {}).get("drop") != ["ALL"] or context.get("capabilities", {}).get("add"):
        yield "holds capabilities"
    if context.get("runAsUser") == 0 or context.get("runAsNonRoot") is False:
        yield "runs as root"


def bounded(container: Manifest) -> Faults:
    resources = container.get("resources", {})
    for kind in ("requests", "limits"):
        yield from (f"no {name} in its {kind}" for name in ("cpu", "memory") if not resources.get(kind, {}).get(name))


def pinned(container: Manifest) -> Faults:
    image = str(container.get("image", ""))
    name, _, tag = image.rpartition("/")[2].partition(":")
    if "@sha256:" not in image and (not name or tag in ("", "latest")):
        yield f"an image that changes under its name ({image})"


def no_secret_values(container: Manifest) -> Faults:
    for variable in container.get("env", ()):
        name, value = variable["name"], str(variable.get("value", ""))
        if value and name not in PLAIN and (name in STORES or is_secret(name, value) or shown(value) != value):
            yield f"the value of a secret ({name})"


def probes(container: Manifest) -> Faults:
    yield from (f"no {name}" for name in ("readinessProbe", "livenessProbe") if not container.get(name))


POD_RULES: tuple[Callable[[Manifest], Faults], ...] = (no_root, no_rights, no_links, no_host)
CONTAINER_RULES: tuple[Callable[[Manifest], Faults], ...] = (closed_container, bounded, pinned, no_secret_values)

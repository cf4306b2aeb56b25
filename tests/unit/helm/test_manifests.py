"""What the chart renders, for the defaults and for each example: the files that `make helm` has written, read as data."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from include.gateway.agent_keeper import STOP_SECONDS as AGENT_SECONDS
from include.gateway.host import DRAIN_SECONDS
from include.serving.http.routes import BY_PATTERN, PUBLIC
from include.serving.shadow import STOP_SECONDS
from tests.support import chart
from tests.support.deployment_files import ROOT
from tests.support.pod_policy import faults, pod_templates

Manifest = dict[str, Any]
SETS = chart.value_sets()
MANIFESTS = {name: chart.read(name) for name in SETS}
EACH = [(name, manifest) for name, manifests in MANIFESTS.items() for manifest in manifests]
BY_NAME = pytest.mark.parametrize("name", SETS)


def of(name: str, kind: str, suffix: str = "") -> Manifest:
    """The one manifest of that kind whose name ends so."""
    (found,) = (each for each in MANIFESTS[name] if each["kind"] == kind and each["metadata"]["name"].endswith(suffix))
    return found


def pods(name: str) -> Iterator[tuple[str, Manifest]]:
    for manifest in MANIFESTS[name]:
        yield from ((manifest["metadata"]["name"], template) for _, template in pod_templates(manifest))


def container(name: str, part: str) -> Manifest:
    kind = "Job" if part == "upgrade" else "Deployment"
    return dict(of(name, kind, f"-{part}")["spec"]["template"]["spec"]["containers"][0])


# -- the files -----------------------------------------------------------------------------------------------


@BY_NAME
def test_the_rendered_file_is_of_this_chart(name: str) -> None:
    assert chart.said_digest(name) == chart.digest(), "the chart has changed since: make helm WRITE=1"


@BY_NAME
def test_the_policy_holds(name: str) -> None:
    assert [fault for manifest in MANIFESTS[name] for fault in faults(manifest)] == []


def test_every_kind_of_manifest_is_looked_at() -> None:
    assert {manifest["kind"] for _, manifest in EACH} == {
        "ConfigMap", "Deployment", "HorizontalPodAutoscaler", "Ingress", "Job", "NetworkPolicy", "PodDisruptionBudget",
        "PrometheusRule", "RayCluster", "Service", "ServiceAccount", "ServiceMonitor",
    }  # fmt: skip


@BY_NAME
def test_two_manifests_of_one_kind_have_two_names(name: str) -> None:
    named = [(each["kind"], each["metadata"]["name"]) for each in MANIFESTS[name]]
    assert len(set(named)) == len(named)


# -- the gateway ---------------------------------------------------------------------------------------------


@BY_NAME
def test_the_probes_ask_routes_that_are_open_to_all(name: str) -> None:
    gateway = container(name, "gateway")
    paths = {kind: gateway[kind]["httpGet"]["path"] for kind in ("startupProbe", "readinessProbe", "livenessProbe")}
    assert paths["readinessProbe"] == "/v2/health/ready"
    assert {BY_PATTERN[path].right for path in paths.values()} == {PUBLIC}


@BY_NAME
def test_a_gateway_is_given_the_time_that_it_takes_to_drain(name: str) -> None:
    spec = of(name, "Deployment", "-gateway")["spec"]["template"]["spec"]
    first = spec["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert spec["terminationGracePeriodSeconds"] >= first + DRAIN_SECONDS + STOP_SECONDS + 5 + AGENT_SECONDS


@BY_NAME
def test_a_gateways_home_and_its_temporary_files_are_its_own(name: str) -> None:
    spec = of(name, "Deployment", "-gateway")["spec"]["template"]["spec"]
    mounted = {each["mountPath"]: each["name"] for each in spec["containers"][0]["volumeMounts"]}
    volumes = {each["name"]: each for each in spec["volumes"]}
    assert all("emptyDir" in volumes[mounted[path]] for path in ("/var/lib/slipstream", "/tmp"))
    values = {each["name"]: each.get("value") for each in spec["containers"][0]["env"]}
    assert (values["SLIPSTREAM_HOME"], values["HOME"]) == ("/var/lib/slipstream", "/tmp")


def test_pods_are_added_by_processor_time_and_by_predictions_in_flight_where_that_is_asked_for() -> None:
    metrics = {name: of(name, "HorizontalPodAutoscaler")["spec"]["metrics"] for name in ("default", "production")}
    assert [each["type"] for each in metrics["default"]] == ["Resource"]
    assert [each["type"] for each in metrics["production"]] == ["Resource", "Pods"]
    named = metrics["production"][1]["pods"]["metric"]["name"]
    adapter = yaml.safe_load((ROOT / "helm" / "prometheus-adapter-values.yaml").read_text())
    assert [rule["name"]["as"] for rule in adapter["rules"]["custom"]] == [named]


def test_nobody_sets_the_number_of_pods_where_the_autoscaler_does() -> None:
    assert "replicas" not in of("default", "Deployment", "-gateway")["spec"]
    assert of("staging", "Deployment", "-gateway")["spec"]["replicas"] == 1


def test_the_ingress_speaks_tls_and_shows_what_callers_ask_alone() -> None:
    spec = of("production", "Ingress")["spec"]
    assert spec["tls"][0]["secretName"] == "predictions-example-tls"
    paths = {path["path"] for path in spec["rules"][0]["http"]["paths"]}
    shown = {pattern for pattern in BY_PATTERN if any(pattern.startswith(path) for path in paths)}
    assert set(BY_PATTERN) - shown == {"/status", "/metrics", "/openapi.json", "/"}


def test_a_gateway_with_a_certificate_is_asked_over_tls_by_everybody() -> None:
    gateway = container("production", "gateway")
    assert {gateway[kind]["httpGet"]["scheme"] for kind in ("startupProbe", "readinessProbe", "livenessProbe")} == {"HTTPS"}
    assert of("production", "ConfigMap", "-settings")["data"]["SLIPSTREAM_GATEWAY_URL"] == "https://slipstream-gateway:8500"
    assert of("production", "ServiceMonitor")["spec"]["endpoints"][0]["scheme"] == "https"
    values = {each["name"]: each.get("value", "") for each in gateway["env"]}
    (mount,) = (each for each in gateway["volumeMounts"] if each["name"] == "certificate")
    assert {values["SLIPSTREAM_GATEWAY_TLS_CERT"], values["SLIPSTREAM_GATEWAY_TLS_KEY"]} == {
        f"{mount['mountPath']}/tls.crt", f"{mount['mountPath']}/tls.key"
    }  # fmt: skip


def test_a_file_of_tokens_is_mounted_where_the_gateway_looks() -> None:
    gateway = container("production", "gateway")
    values = {each["name"]: each.get("value", "") for each in gateway["env"]}
    assert any(
        values["SLIPSTREAM_GATEWAY_TOKENS"].startswith(each["mountPath"] + "/")
        for each in gateway["volumeMounts"]
        if each["name"] == "tokens"
    )


# -- secrets -------------------------------------------------------------------------------------------------

# What each part is given, as docs/security.md has it; the parts of the official chart are in test_airflow_values.
GIVEN = {
    "gateway": {
        "SLIPSTREAM_CONTROL_URL", "SLIPSTREAM_ONLINE_URL", "AIRFLOW_CONN_SLIPSTREAM_GATEWAY", "AIRFLOW_CONN_SLIPSTREAM_ENTITIES",
    },
    "mlflow": {"MLFLOW_BACKEND_STORE_URI", "MLFLOW_AUTH_ADMIN_PASSWORD", "MLFLOW_FLASK_SERVER_SECRET_KEY"},
    "mlflow-accounts": {"MLFLOW_ADMIN_PASSWORD", "MLFLOW_REGISTRY_PASSWORD", "MLFLOW_JOBS_PASSWORD"},
    "ray": set(),
    "upgrade": {"SLIPSTREAM_CONTROL_URL", "SLIPSTREAM_ONLINE_URL", "AIRFLOW_CONN_SLIPSTREAM_RAY"},
}  # fmt: skip


def test_a_part_is_given_the_secrets_of_the_table_and_no_other() -> None:
    given: dict[str, set[str]] = {}
    for _, template in pods("default"):
        part = template["metadata"]["labels"]["app.kubernetes.io/component"]
        for each in template["spec"]["containers"]:
            given.setdefault(part, set()).update(one["name"] for one in each["env"] if "valueFrom" in one)
            assert all("configMapRef" in source for source in each.get("envFrom", ())), part
    assert given == GIVEN


def test_rays_token_is_a_file_and_no_variable() -> None:
    """Ray's API shows the environment of a job, which it has of its node; logins come with the jobs, sealed under the token."""
    for _, template in pod_templates(of("default", "RayCluster")):
        (ray,) = template["spec"]["containers"]
        values = {each["name"]: each.get("value", "") for each in ray["env"]}
        assert values["RAY_AUTH_MODE"] == "token"
        assert "RAY_AUTH_TOKEN" not in values
        (mount,) = (each for each in ray["volumeMounts"] if values["RAY_AUTH_TOKEN_PATH"].startswith(each["mountPath"] + "/"))
        (volume,) = (each for each in template["spec"]["volumes"] if each["name"] == mount["name"])
        assert volume["secret"]["secretName"] == "slipstream-ray"


def test_a_rays_probe_needs_no_token_and_no_program_that_the_image_has_not() -> None:
    for _, template in pod_templates(of("default", "RayCluster")):
        (ray,) = template["spec"]["containers"]
        command = ray["readinessProbe"]["exec"]["command"][-1]
        assert set(command.replace("&&", "").split()) >= {"curl"}
        assert "curl" in (ROOT / "docker" / "Dockerfile").read_text()
        assert all(word.endswith("_healthz") for word in command.split() if word.startswith("http"))


# -- who may talk to whom ------------------------------------------------------------------------------------


def peers(policy: Manifest, port: int) -> list[Manifest]:
    """Who may come in on a port."""
    allowed = (rule for rule in policy["spec"].get("ingress", ()) if any(each["port"] == port for each in rule.get("ports", ())))
    return [peer for rule in allowed for peer in rule["from"]]


@BY_NAME
def test_every_pod_of_the_chart_is_closed_both_ways(name: str) -> None:
    policies = [each for each in MANIFESTS[name] if each["kind"] == "NetworkPolicy"]
    for who, template in pods(name):
        labels = template["metadata"]["labels"]
        closing = [each for each in policies if each["spec"]["podSelector"]["matchLabels"].items() <= labels.items()]
        assert [each["spec"]["policyTypes"] for each in closing] == [["Ingress", "Egress"]], who


@BY_NAME
def test_no_policy_lets_everybody_in(name: str) -> None:
    for policy in (each for each in MANIFESTS[name] if each["kind"] == "NetworkPolicy"):
        for rule in policy["spec"].get("ingress", ()):
            assert rule["from"], policy["metadata"]["name"]
            assert all(peer not in ({"podSelector": {}}, {"namespaceSelector": {}}) for peer in rule["from"])


@BY_NAME
def test_only_the_scheduler_and_the_workers_reach_the_broker(name: str) -> None:
    """CVE-2026-68982: whoever can write there runs code on every worker."""
    policy = of(name, "NetworkPolicy", "-broker")
    assert policy["spec"]["podSelector"]["matchLabels"]["component"] == "redis"
    (peer,) = peers(policy, 6379)
    assert peer["podSelector"]["matchExpressions"] == [{"key": "component", "operator": "In", "values": ["scheduler", "worker"]}]
    assert peer["podSelector"]["matchLabels"] == {"tier": "airflow", "release": "airflow"}


def test_what_migrates_the_control_store_may_ask_all_who_might_still_write() -> None:
    """`slipstream upgrade` takes who does not answer as stopped: a policy in between would say so of all of them."""
    policy = of("default", "NetworkPolicy", "-upgrade")
    ports = {each["port"] for rule in policy["spec"]["egress"] for each in rule["ports"]}
    assert {8500, 8080, 8265} <= ports
    for part, port in (("gateway", 8500), ("ray", 8265), ("mlflow", 5500)):
        allowed = peers(of("default", "NetworkPolicy", f"-{part}"), port)
        selected = [peer.get("podSelector", {}).get("matchLabels", {}) for peer in allowed]
        assert "upgrade" in {each.get("app.kubernetes.io/component") for each in selected}, part


def test_addresses_that_are_named_are_the_only_ones() -> None:
    rules = of("production", "NetworkPolicy", "-gateway")["spec"]["egress"]
    (postgres,) = (rule for rule in rules if rule["ports"] == [{"port": 5432, "protocol": "TCP"}])
    assert postgres["to"] == [{"ipBlock": {"cidr": "10.20.0.0/24"}}]


# -- hooks, names, monitoring --------------------------------------------------------------------------------


@BY_NAME
def test_the_schema_is_there_before_any_pod_and_with_what_its_job_needs(name: str) -> None:
    job = of(name, "Job", "-upgrade")
    weight = int(job["metadata"]["annotations"]["helm.sh/hook-weight"])
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    for kind in ("ServiceAccount", "NetworkPolicy"):
        annotations = of(name, kind, "-upgrade")["metadata"]["annotations"]
        assert annotations["helm.sh/hook"] == "pre-install,pre-upgrade"
        assert int(annotations["helm.sh/hook-weight"]) < weight
    (first,) = job["spec"]["template"]["spec"]["containers"]
    assert first["command"] == ["slipstream", "upgrade"]
    assert "envFrom" not in first, "the ConfigMap of the release before"


@BY_NAME
def test_every_account_that_a_pod_names_is_made(name: str) -> None:
    made = {each["metadata"]["name"] for each in MANIFESTS[name] if each["kind"] == "ServiceAccount"}
    assert {template["spec"]["serviceAccountName"] for _, template in pods(name)} <= made


@BY_NAME
def test_the_settings_say_where_the_charts_own_servers_are(name: str) -> None:
    settings = of(name, "ConfigMap", "-settings")["data"]
    ports = (
        (each["metadata"]["name"], each["spec"]["ports"][0]["port"]) for each in MANIFESTS[name] if each["kind"] == "Service"
    )
    services = dict(ports)
    for part in ("gateway", "mlflow"):
        host, port = settings[f"SLIPSTREAM_{part.upper()}_URL"].partition("://")[2].split(":")
        assert services[host] == int(port)
    assert settings["SLIPSTREAM_RAY_URL"] == f"http://{of(name, 'RayCluster')['metadata']['name']}-head-svc:8265"
    assert settings["SLIPSTREAM_ROOT"].startswith("s3://")


def test_the_alerts_are_the_ones_of_the_containers_and_find_the_gateway_under_their_name() -> None:
    rules = yaml.safe_load((ROOT / "docker" / "prometheus" / "rules" / "slipstream.yml").read_text())
    assert of("production", "PrometheusRule")["spec"] == rules
    monitor = of("production", "ServiceMonitor")["spec"]
    service = of("production", "Service", "-gateway")
    assert service["metadata"]["labels"][monitor["jobLabel"]] == "gateway"
    assert monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert monitor["endpoints"][0]["authorization"]["credentials"] == {"name": "slipstream-scrape", "key": "token"}


def test_the_rayclusters_fields_are_kuberays() -> None:
    """Of ray.io/v1, whose schema no package here has; the pods in it are checked by Kubernetes' own (`make helm`)."""
    for name in SETS:
        cluster = of(name, "RayCluster")
        assert cluster["apiVersion"] == "ray.io/v1"
        assert set(cluster["spec"]) == {"rayVersion", "headGroupSpec", "workerGroupSpecs"}
        assert set(cluster["spec"]["headGroupSpec"]) == {"serviceType", "rayStartParams", "template"}
        for group in cluster["spec"]["workerGroupSpecs"]:
            assert set(group) == {"groupName", "replicas", "minReplicas", "maxReplicas", "rayStartParams", "template"}


def test_the_versions_are_the_projects() -> None:
    project = (ROOT / "pyproject.toml").read_text()
    application = yaml.safe_load((chart.CHART / "Chart.yaml").read_text())["appVersion"]
    assert f'version = "{application}"' in project
    assert f"ray[default,train,data,serve,tune]=={of('default', 'RayCluster')['spec']['rayVersion']}" in project


def test_the_schema_is_json_that_refuses_what_it_does_not_know() -> None:
    schema = json.loads((chart.CHART / "values.schema.json").read_text())

    def walk(node: Any, where: str) -> Iterator[str]:
        if isinstance(node, dict):
            if "properties" in node and node.get("additionalProperties") is not False:
                yield where
            for key, each in node.items():
                yield from walk(each, f"{where}/{key}")

    assert list(walk(schema, "")) == []

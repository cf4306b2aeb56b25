"""docker/compose.yaml, read as data: no engine runs it here."""

from __future__ import annotations

import json
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from include.local.pools import POOLS

DOCKER = Path(__file__).parents[3] / "docker"
ONCE = {"migrate", "mlflow-accounts"}
OURS = {"api-server", "scheduler", "dag-processor", "triggerer", "worker", "mlflow", "ray", "gateway", *ONCE}
OTHERS = {"postgres", "broker", "redis", "prometheus", "grafana"}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return dict(yaml.safe_load((DOCKER / "compose.yaml").read_text()))


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("docker")
    script = folder / "make-secrets.sh"
    script.write_text((DOCKER / "make-secrets.sh").read_text())
    subprocess.run(["bash", str(script)], check=True, capture_output=True)
    return folder / "secrets"


def test_every_part_of_the_platform_is_there(compose: dict[str, Any]) -> None:
    assert set(compose["services"]) == OURS | OTHERS


def test_our_processes_run_one_image_as_nobody_in_particular(compose: dict[str, Any]) -> None:
    for name in OURS:
        service = compose["services"][name]
        assert service["image"] == "slipstream:local"
        assert service["cap_drop"] == ["ALL"]
        assert "user" not in service  # the image's own
    final = (DOCKER / "Dockerfile").read_text().rsplit("FROM ", 1)[1]
    assert "\nUSER slipstream\n" in final


def test_every_server_has_a_health_check(compose: dict[str, Any]) -> None:
    for name in (OURS | OTHERS) - ONCE:
        assert compose["services"][name]["healthcheck"]["test"][0] in {"CMD", "CMD-SHELL"}, name


# Its entry point hands its folder over to its own user, and takes that user on.
OPEN = {"postgres"}


def test_every_container_is_closed_and_bounded(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        limits = service["deploy"]["resources"]["limits"]
        assert {"cpus", "memory", "pids"} <= set(limits), name
        assert "no-new-privileges:true" in service["security_opt"], name
        assert (service.get("read_only"), service.get("cap_drop")) == ((None, None) if name in OPEN else (True, ["ALL"])), name


def test_no_two_containers_share_a_home(compose: dict[str, Any]) -> None:
    """What they share is the storage root, which a bucket may stand for."""
    for name in OURS - {"mlflow", "mlflow-accounts"}:
        assert "/var/lib/slipstream" in compose["services"][name]["volumes"], name
    shared = [volume for service in compose["services"].values() for volume in service.get("volumes", []) if "store:" in volume]
    assert set(shared) == {"store:/srv/slipstream"}
    assert compose["services"]["gateway"]["environment"]["SLIPSTREAM_ROOT"] == "${SLIPSTREAM_ROOT:-/srv/slipstream/store}"


def test_every_writable_folder_of_a_closed_container_is_the_images_users(compose: dict[str, Any]) -> None:
    """A volume takes its owner from the image's folder: one that is not there would be root's."""
    image = (DOCKER / "Dockerfile").read_text()
    made = image.partition("install -d -o slipstream -g slipstream ")[2].partition(" \\\n")[0].split()
    for name in OURS:
        targets = [volume.partition(":")[2] or volume for volume in compose["services"][name].get("volumes", [])]
        assert set(targets) - {"/tmp"} <= set(made), name


def test_the_gateways_are_several_and_each_has_a_port(compose: dict[str, Any]) -> None:
    gateway = compose["services"]["gateway"]
    assert gateway["deploy"]["replicas"] == "${GATEWAYS:-2}"
    (ports,) = gateway["ports"]
    first, last = map(int, ports.split(":")[1].split("-"))
    assert last - first >= 1


def test_every_published_port_is_on_loopback(compose: dict[str, Any]) -> None:
    ports = [port for service in compose["services"].values() for port in service.get("ports", [])]
    assert len(ports) == 6
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_no_secret_has_a_value_in_the_file(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        for key, value in service.get("environment", {}).items():
            secret = any(word in key for word in ("PASSWORD", "SECRET", "TOKEN", "FERNET", "CONN_", "CONTROL_URL"))
            assert not secret or str(value).startswith(("/run/secrets/", "/opt/airflow/", "/etc/slipstream/")), (name, key)


def test_everything_a_service_refers_to_exists(compose: dict[str, Any], secrets: Path) -> None:
    made = {path.name for path in secrets.iterdir()}
    assert {Path(each["file"]).name for each in compose["secrets"].values()} <= made
    for service in compose["services"].values():
        assert {Path(each).name for each in service.get("env_file", [])} <= made
        named = {each if isinstance(each, str) else each["source"] for each in service.get("secrets", [])}
        assert named <= set(compose["secrets"])
        assert set(service.get("networks", [])) <= set(compose["networks"])
        assert {each["source"] for each in service.get("configs", [])} <= set(compose["configs"])
        assert set(service.get("depends_on", {})) <= set(compose["services"])
        for volume in service.get("volumes", []):
            source, _, target = volume.partition(":")
            assert not target or source in compose["volumes"] or (DOCKER / source).exists()
    # By a file alone: what stands in the compose file itself is copied in, which a read-only container refuses.
    assert all((DOCKER / each["file"]).is_file() for each in compose["configs"].values())


def test_the_pools_are_those_of_the_local_platform(compose: dict[str, Any]) -> None:
    pools = json.loads((DOCKER / compose["configs"]["pools"]["file"]).read_text())
    assert {name: pool["slots"] for name, pool in pools.items()} == {name: slots for name, (slots, _) in POOLS.items()}


def test_secrets_are_generated_privately_once_and_differ(secrets: Path) -> None:
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o700
    before = {path.name: path.read_text() for path in secrets.iterdir()}
    subprocess.run(["bash", str(secrets.parent / "make-secrets.sh")], check=True, capture_output=True)
    assert {path.name: path.read_text() for path in secrets.iterdir()} == before
    plain = [before[name] for name in ("postgres_password", "redis_password", "grafana_password", "ray_token", "gateway_token")]
    assert len(set(plain)) == 5
    assert all(len(value) >= 32 for value in plain)
    assert "" not in json.loads(before["airflow_passwords.json"]).values()


def test_airflow_reads_what_the_secrets_hold(secrets: Path) -> None:
    values = {
        name: dict(line.split("=", 1) for line in (secrets / f"{name}.env").read_text().splitlines())
        for name in ("api-server", "scheduler", "worker")
    }
    assert len({each.get("AIRFLOW__API_AUTH__JWT_SECRET") for each in (values["api-server"], values["scheduler"])}) == 1
    assert (secrets / "gateway_token").read_text() in values["worker"]["AIRFLOW_CONN_SLIPSTREAM_GATEWAY"]
    assert (secrets / "postgres_password").read_text() not in str(values)
    # SQLAlchemy 2.1 takes psycopg 3, which is not in the image, for a plain postgresql://
    assert values["worker"]["AIRFLOW__CELERY__RESULT_BACKEND"].startswith("db+postgresql+psycopg2://")
    assert all(value for each in values.values() for value in each.values())


def test_prometheus_scrapes_every_gateway() -> None:
    config = yaml.safe_load((DOCKER / "prometheus" / "prometheus.yml").read_text())
    (found,) = config["scrape_configs"][0]["dns_sd_configs"]
    assert (found["names"], found["type"], found["port"]) == (["gateway"], "A", 8500)  # an address for each that runs


def test_the_workers_celery_is_one_that_the_provider_can_import() -> None:
    """Provider 3.26 imports `celery.backends.database.retry`, which 5.7 no longer has; `pip check` sees nothing wrong."""
    lock = (DOCKER.parent / "requirements.txt").read_text().splitlines()
    held = dict(
        line.split(" ")[0].split("==") for line in lock if line.startswith(("celery==", "apache-airflow-providers-celery=="))
    )
    assert held["apache-airflow-providers-celery"] == "3.26.0"
    assert tuple(map(int, held["celery"].split(".")))[:2] < (5, 7)

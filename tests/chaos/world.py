"""One trial's world: a home folder, a control store, an online store, a root; made from a template in tenths of a second.

Every trial of a slot lives at the slot's one path, because references hold absolute paths.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from include.core.digest import PROJECT
from tests.chaos.dynamodb import Table
from tests.chaos.protocol import Backends
from tests.chaos.servers import Servers

TOKEN = "secret"  # of the gateway
SIZE = "48m"  # of the small file system
ROLE = "arn:aws:iam::123456789012:role/jobs"  # of jobs on SageMaker
DROPPED = ("SLIPSTREAM_", "AIRFLOW_CONN_", "AWS_", "RAY_ADDRESS")  # nothing of a real installation is reachable


@dataclass
class World:
    folder: Path  # the slot's
    number: int  # the slot's
    servers: Servers
    on: Backends
    models: str
    moved: dict[str, tuple[str, int]] = field(default_factory=dict)  # services that are reached through a proxy
    gateway_port: int = 0
    more: Mapping[str, str] = field(default_factory=dict)  # settings of a step's own

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def temporary(self) -> Path:
        """TMPDIR of its processes: what a killed one leaves there is seen, too."""
        return self.home / "tmp"

    @property
    def scratch(self) -> Path:
        """For the harness itself: marks, traces, what children leave."""
        return self.folder / "trial"

    @property
    def root(self) -> str:
        return f"s3://{self.bucket}/store" if self.on.storage == "s3" else str(self.home / "store")

    @property
    def bucket(self) -> str:
        return f"slot-{self.number}"

    def at(self, service: str) -> tuple[str, int]:
        """Where a task finds the service: at its proxy, if it has one."""
        return self.moved.get(service) or self.server(service)

    def server(self, service: str) -> tuple[str, int]:
        """Where the server itself listens."""
        return self.servers.at["dynamodb" if service == "online" and self.on.online == "dynamodb" else service]

    def through(self, service: str, port: int) -> World:
        return replace(self, moved={**self.moved, service: ("127.0.0.1", port)})

    # -- the environment of its processes --------------------------------------------------------------

    def environ(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(DROPPED)}
        own = {"PYTHONPATH": str(PROJECT), "TMPDIR": str(self.temporary), "TZ": "UTC"}
        return {**kept, **self._settings(), **self._connections(), **own}

    def _settings(self) -> dict[str, str]:
        given = {
            "home": str(self.home),
            "root": self.root,
            "models": self.models,
            "job_backend": self.on.jobs,
            "registry": self.on.registry,
            "control_url": self.control_url(),
            "online_url": self.online_url(),
        }
        for service, name in (("jobs", "ray"), ("registry", "mlflow")):
            if service in self.servers.at:
                given[f"{name}_url"] = "http://{}:{}".format(*self.at(service))
        if self.on.jobs == "sagemaker":
            # Slots are environments that share an account: each has names of its own.
            prefix = f"slot-{self.number}-"
            given |= {"sagemaker_image": self.image, "sagemaker_role": ROLE, "sagemaker_prefix": prefix}
        if self.gateway_port:
            given["gateway_url"] = "http://{}:{}".format(*self.moved.get("gateway", ("127.0.0.1", self.gateway_port)))
        return {**{f"SLIPSTREAM_{name.upper()}": value for name, value in given.items()}, **self.more}

    def _connections(self) -> dict[str, str]:
        made = {
            "RAY": f"http://:{self.servers.ray_token or 'nobody'}@127.0.0.1:1",
            "MLFLOW": f"http://admin:{self.servers.mlflow_password}@127.0.0.1:1",
            "GATEWAY": f"http://:{TOKEN}@127.0.0.1:1",
        }
        found = {f"AIRFLOW_CONN_SLIPSTREAM_{name}": uri for name, uri in made.items()}
        if self.on.storage == "s3" or self.on.online == "dynamodb" or self.on.jobs == "sagemaker":
            where = self.dynamodb_url() if self.on.online == "dynamodb" else self.s3_url()
            extra: dict[str, Any] = {"endpoint_url": where, "region_name": "us-east-1"}
            if self.on.jobs == "sagemaker":
                extra["service_config"] = {"sagemaker": {"endpoint_url": "http://{}:{}".format(*self.at("jobs"))}}
            aws = {"conn_type": "aws", "login": "chaos", "password": "chaos", "extra": extra}
            found |= {"AIRFLOW_CONN_AWS_DEFAULT": json.dumps(aws), "AWS_ENDPOINT_URL": where}
            found |= {"AWS_ACCESS_KEY_ID": "chaos", "AWS_SECRET_ACCESS_KEY": "chaos", "AWS_DEFAULT_REGION": "us-east-1"}
            found |= {"AWS_EC2_METADATA_DISABLED": "true"}
        return found

    def control_url(self) -> str:
        if self.on.control == "sqlite":
            return f"sqlite:///{self.home / 'control.db'}"
        return "postgresql://chaos:{}@{}:{}/{}".format(self.servers.postgres_password, *self.at("control"), self.database)

    @property
    def database(self) -> str:
        return f"slot_{self.number}"

    def online_url(self) -> str:
        if self.on.online == "sqlite":
            return f"sqlite:///{self.home / 'online.db'}"
        if self.on.online == "dynamodb":
            return f"dynamodb://{self.bucket}"
        return "redis://{}:{}/{}".format(*self.at("online"), self.number)

    def dynamodb_url(self) -> str:
        return "http://{}:{}".format(*self.at("online"))

    def s3_url(self) -> str:
        return "http://{}:{}".format(*self.at("storage"))

    @property
    def image(self) -> str:
        """Of this slot's jobs on SageMaker."""
        return f"slot-{self.number}@sha256:{'0' * 64}"

    def sagemaker(self, method: str, **arguments: Any) -> Any:
        """Ask the fake of AWS's training jobs."""
        from tests.support.aws.server import Remote

        return Remote(self.servers.aws).training(method, **arguments)

    def endpoints(self, method: str, **arguments: Any) -> Any:
        """Ask the fake of its endpoints."""
        from tests.support.aws.server import Remote

        return Remote(self.servers.aws).endpoints(method, **arguments)

    # -- templates --------------------------------------------------------------------------------------

    def clean(self) -> None:
        """Nothing of the trial before is left: no file, no row, no process."""
        self.end_jobs()
        unmount_below(self.home)
        for folder in (self.home, self.scratch):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
        self.temporary.mkdir()

    def end_jobs(self) -> None:
        """Kill the jobs of this home that still run, and have SageMaker forget those of this slot."""
        if self.servers.aws:
            self.sagemaker("forget", text=self.image)
            self.endpoints("forget", text=self.image)
        for pid in (self.home / "jobs").glob("*/pid"):
            try:
                os.killpg(int(pid.read_text().split()[0]), signal.SIGKILL)
            except (ProcessLookupError, ValueError, IndexError):
                continue

    def mount_small(self, folder: str) -> Path:
        """Put the home, or a folder in it, on a small file system of its own."""
        place = self.home / folder
        place.mkdir(parents=True, exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(place)], check=True)
        return place

    def save(self, template: Path) -> None:
        """In a child: keep this world as a template."""
        shutil.copytree(self.home, template, symlinks=True)
        if self.on.online == "redis":
            client = _redis(self.online_url())
            held = {key.decode(): base64.b64encode(client.dump(key)).decode() for key in client.scan_iter()}
            (template / "redis.json").write_text(json.dumps(held))
        if self.on.online == "dynamodb":
            (template / "dynamodb.json").write_text(json.dumps(Table(self.bucket, self.dynamodb_url()).held()))
        if self.on.storage == "s3":
            for key, body in self.objects().items():
                path = template / "s3" / key
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(body)

    def copy(self, template: Path) -> None:
        """The files of a template; in the harness itself."""
        shutil.copytree(template, self.home, symlinks=True, dirs_exist_ok=True)

    def fill(self) -> None:
        """In a child: what of the template is no file. PostgreSQL takes the rows of the template's SQLite file."""
        if self.on.control == "postgres":
            self._fill_postgres()
        if self.on.online == "redis":
            client = _redis(self.online_url())
            client.flushdb()
            held = self.home / "redis.json"
            for key, value in json.loads(held.read_text()).items() if held.exists() else ():
                client.restore(key, 0, base64.b64decode(value))
        if self.on.online == "dynamodb":
            held = self.home / "dynamodb.json"
            Table(self.bucket, self.dynamodb_url()).fill(json.loads(held.read_text()) if held.exists() else [])
        if self.on.storage == "s3":
            self._fill_s3()

    def _fill_postgres(self) -> None:
        import sqlalchemy as sa

        from include.backends.feast.registry import SCHEMA as FEAST
        from include.core.control import ControlStore, metadata, schema

        store = ControlStore(self.control_url())
        with store.engine.begin() as connection:
            connection.execute(sa.text(f"DROP SCHEMA IF EXISTS {FEAST} CASCADE"))  # else a trial begins with the one before's
            connection.execute(sa.text("DROP SCHEMA public CASCADE"))
            connection.execute(sa.text("CREATE SCHEMA public"))
        store.create_tables()
        held = self.home / "control.db"
        if not held.exists():
            return
        source = ControlStore(f"sqlite:///{held}")
        with source.engine.begin() as reading, store.engine.begin() as writing:
            for table in (each for each in metadata.sorted_tables if each is not schema):  # which is there already
                rows = [dict(row) for row in reading.execute(sa.select(table)).mappings()]
                if rows:
                    writing.execute(table.insert(), rows)

    def _fill_s3(self) -> None:
        client = self._s3_client()
        with contextlib.suppress(client.exceptions.BucketAlreadyOwnedByYou):
            client.create_bucket(Bucket=self.bucket)
        for key in self.objects():
            client.delete_object(Bucket=self.bucket, Key=key)
        held = self.home / "s3"
        for path in sorted(held.rglob("*")):
            if path.is_file():
                client.put_object(Bucket=self.bucket, Key=path.relative_to(held).as_posix(), Body=path.read_bytes())
        shutil.rmtree(held, ignore_errors=True)

    def objects(self) -> dict[str, bytes]:
        """What lies in the slot's bucket."""
        client = self._s3_client()
        try:
            pages = list(client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket))
        except client.exceptions.NoSuchBucket:
            return {}
        keys = [entry["Key"] for page in pages for entry in page.get("Contents", ())]
        return {key: client.get_object(Bucket=self.bucket, Key=key)["Body"].read() for key in keys}

    def _s3_client(self) -> Any:
        import boto3

        return boto3.client("s3", endpoint_url=self.s3_url(), region_name="us-east-1",
                            aws_access_key_id="chaos", aws_secret_access_key="chaos")  # fmt: skip


def unmount_below(folder: Path) -> None:
    mounted = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    for place in sorted((place for place in mounted if f"{place}/".startswith(f"{folder}/")), reverse=True):
        subprocess.run(["umount", "--lazy", place], check=True)


def make_databases(servers: Servers, slots: int) -> None:
    """In a child: a PostgreSQL database for each slot."""
    import psycopg2

    host, port = servers.at["control"]
    connection = psycopg2.connect(host=host, port=port, user="chaos", password=servers.postgres_password, dbname="postgres")
    connection.autocommit = True
    with connection.cursor() as cursor:
        for number in range(slots):
            cursor.execute(f'CREATE DATABASE "slot_{number}"')
    connection.close()


def _redis(url: str) -> Any:
    import redis

    return redis.Redis.from_url(url)


def normal(value: Any, replacements: Mapping[str, str]) -> Any:
    """The JSON value with texts replaced: what differs between two fault-free runs."""
    text = json.dumps(value, sort_keys=True)
    for old, new in replacements.items():
        text = text.replace(old, new)
    return json.loads(text)

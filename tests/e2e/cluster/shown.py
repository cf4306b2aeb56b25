"""What the machines show to whoever may look, searched for the secrets that were made for them.

Ray's API, every log on every disk, the process list, Airflow's database with XCom and rendered fields in it, MLflow's database
and files, the control store and the storage root. A secret in an encrypted or sealed form is none; as it was made, it is a hit.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
from psycopg2 import sql

from tests.e2e.cluster.site import BUCKET, Site
from tests.support.ray_shows import by_api

MADE = re.compile(r"[A-Za-z0-9_-]{43,}=?")  # what docker/make-secrets.sh makes: 32 random bytes in base64
RAY = "http://ray:8265"
LOGS = {"log", "logs"}
DATABASES = {"airflow": "Airflow's database", "mlflow": "MLflow", "slipstream": "the control store", "celery": "Celery's results"}
Texts = Iterator[tuple[str, str]]  # a place, and what it shows


def secrets(site: Site) -> set[str]:
    """All that were made, and the login of S3."""
    found = {each for path in site.secrets.folder.iterdir() for each in MADE.findall(path.read_text())}
    return found | {json.loads(site.stores()["AIRFLOW_CONN_AWS_DEFAULT"])["password"]}


def search(site: Site, wanted: set[str]) -> dict[str, tuple[int, list[str]]]:
    """By kind of place: how many were looked at, and those that show one of the secrets."""
    return {kind: _searched(texts, wanted) for kind, texts in _kinds(site).items()}


def _searched(texts: Texts, wanted: set[str]) -> tuple[int, list[str]]:
    looked, hits = 0, []
    for place, text in texts:
        looked += 1
        if any(secret in text for secret in wanted):
            hits.append(place)
    return looked, hits


def _kinds(site: Site) -> dict[str, Texts]:
    return {
        "Ray's API": _ray(site),
        "logs": _logs(site),
        "the process list": _processes(),
        **{title: _tables(site, name) for name, title in DATABASES.items()},
        "MLflow's files": _files(site.folder / "disks" / "gateway-1" / "mlflow" / "artifacts"),
        "the storage root": _objects(site),
    }


def _ray(site: Site) -> Texts:
    token = site.secrets.text("ray_token")
    jobs = httpx.get(f"{RAY}/api/jobs/", headers={"Authorization": f"Bearer {token}"}, trust_env=False, timeout=60).json()
    for job in jobs:
        for path, text in by_api(RAY, token, job["submission_id"]).items():
            yield f"{path} ({job['submission_id']})", text


def _logs(site: Site) -> Texts:
    for path in (site.folder / "disks").rglob("*"):
        if LOGS & set(path.parts) and path.is_file():
            yield str(path), path.read_text(errors="replace")


def _processes() -> Texts:
    """Command lines, those of all machines: their process namespaces are below this one."""
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                yield process.name, (process / "cmdline").read_text(errors="replace")
            except OSError:  # it has ended
                continue


def _tables(site: Site, database: str) -> Texts:
    """Every row of every table, as text."""
    with site.database(database) as connection:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT schemaname, tablename FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
            )
            names = cursor.fetchall()
        for schema, name in names:
            with connection.cursor() as cursor:
                cursor.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(schema, name)))
                yield f"{schema}.{name}", "\n".join(_row(row) for row in cursor)


def _row(row: tuple[object, ...]) -> str:
    return "\t".join(bytes(cell).decode("latin-1") if isinstance(cell, memoryview) else str(cell) for cell in row)


def _files(folder: Path) -> Texts:
    for path in folder.rglob("*"):
        if path.is_file():
            yield str(path), path.read_text(errors="replace")


def _objects(site: Site) -> Texts:
    client = site.s3()
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET):
        for each in page.get("Contents", ()):
            yield each["Key"], client.get_object(Bucket=BUCKET, Key=each["Key"])["Body"].read().decode("latin-1")

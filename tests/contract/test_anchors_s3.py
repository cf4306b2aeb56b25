"""Anchors under Object Lock, on moto's S3: once each, locked, and found below whatever is put over them."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
import sqlalchemy as sa

from include.backends.aws.access import SessionAccess
from include.backends.s3.anchors import RIGHTS, S3Anchors, open_anchors
from include.backends.s3.bucket import Bucket
from include.core.control import audit, audit_hash
from include.core.errors import PermanentError, SpecError, UnreachableError
from include.core.storage import LocalStorage
from include.core.time import now
from include.governance.anchors import Anchor, anchor_head, read_places
from include.governance.audit_chain import verify
from tests.support.s3_server import CREDENTIALS, s3_address  # noqa: F401  (fixture)
from tests.support.stores import empty_control

ONE, TWO = (Anchor(seq, f"{seq}" * 64, "2026-11-30T00:00:00.000+00:00") for seq in (1, 2))
LOCKED, DEFAULT, PLAIN = "locked", "locked-by-default", "plain"


@pytest.fixture(scope="module")
def access(s3_address: str) -> SessionAccess:  # noqa: F811
    access = SessionAccess(boto3.Session(**CREDENTIALS), lambda service: s3_address)
    client = access.client("s3")
    client.create_bucket(Bucket=PLAIN)
    for name in (LOCKED, DEFAULT):
        client.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    rule = {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 30}}
    client.put_object_lock_configuration(Bucket=DEFAULT, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": rule})
    return access


def place(access: SessionAccess, request: pytest.FixtureRequest, bucket: str = LOCKED) -> S3Anchors:
    return open_anchors(f"s3://{bucket}/{request.node.name}", access, 400)


def stored(access: SessionAccess, anchors: S3Anchors, bucket: str = LOCKED) -> list[dict[str, Any]]:
    client = access.client("s3")
    found = client.list_object_versions(Bucket=bucket, Prefix=anchors.name.partition(bucket)[2][1:]).get("Versions", [])
    return [client.head_object(Bucket=bucket, Key=each["Key"], VersionId=each["VersionId"]) for each in found]


def test_an_anchor_is_written_once_and_locked(access: SessionAccess, request: pytest.FixtureRequest) -> None:
    anchors = place(access, request)
    assert (anchors.read(), anchors.write(ONE), anchors.write(ONE), anchors.write(TWO)) == ([], True, False, True)
    assert [(each.seq, each.hash) for each in anchors.read() if isinstance(each, Anchor)] == [(1, ONE.hash), (2, TWO.hash)]
    heads = stored(access, anchors)
    assert [head["ObjectLockMode"] for head in heads] == ["COMPLIANCE"] * 2
    until: datetime = heads[0]["ObjectLockRetainUntilDate"]
    assert 398 < (until - now()).days <= 400


def test_a_bucket_with_a_retention_of_its_own_decides(access: SessionAccess, request: pytest.FixtureRequest) -> None:
    anchors = place(access, request, DEFAULT)
    assert anchors.write(ONE)
    (head,) = stored(access, anchors, DEFAULT)
    assert 28 < (head["ObjectLockRetainUntilDate"] - now()).days <= 30


def test_a_bucket_without_object_lock_is_refused_and_nothing_is_written(
    access: SessionAccess, request: pytest.FixtureRequest
) -> None:
    anchors = place(access, request, PLAIN)
    with pytest.raises(SpecError, match="has no Object Lock") as told:
        anchors.write(ONE)
    assert "--object-lock-enabled-for-bucket" in told.value.hint
    assert stored(access, anchors, PLAIN) == []


def test_a_bucket_that_is_not_there_and_a_server_that_is_away(access: SessionAccess) -> None:
    with pytest.raises(PermanentError, match="anchors of the audit chain"):
        open_anchors("s3://nowhere/x", access, 400).read()
    away = SessionAccess(boto3.Session(**CREDENTIALS), lambda service: "http://127.0.0.1:9")
    with pytest.raises(UnreachableError, match="anchors of the audit chain"):
        S3Anchors("s3://x/y", Bucket("x", away.client("s3", 1.0)), "y", 1).read()


def test_what_is_put_over_an_anchor_hides_nothing(access: SessionAccess, request: pytest.FixtureRequest) -> None:
    anchors, client = place(access, request), access.client("s3")
    anchors.write(ONE)
    key = f"{request.node.name}/{1:012d}-{ONE.hash}.json"
    client.delete_object(Bucket=LOCKED, Key=key)  # a delete marker
    assert [each.hash for each in anchors.read() if isinstance(each, Anchor)] == [ONE.hash]
    client.put_object(Bucket=LOCKED, Key=key, Body=b"{}")
    assert [each.hash for each in anchors.read() if isinstance(each, Anchor)] == [ONE.hash]


def test_an_object_without_a_lock_that_stands_there_first_is_locked_over(
    access: SessionAccess, request: pytest.FixtureRequest
) -> None:
    anchors, client = place(access, request), access.client("s3")
    client.put_object(Bucket=LOCKED, Key=f"{request.node.name}/{1:012d}-{ONE.hash}.json", Body=b"")
    assert anchors.write(ONE)
    assert not anchors.write(ONE)
    assert [head.get("ObjectLockMode") for head in stored(access, anchors)].count("COMPLIANCE") == 1


def test_a_chain_written_anew_is_found_by_what_the_bucket_holds(
    access: SessionAccess, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    anchors, control, root = place(access, request), empty_control(tmp_path), LocalStorage(tmp_path / "store")
    for number in range(6):
        with control.transaction() as connection:
            control.append_audit(connection, "ada", "did", "shop", {"n": number})
        anchor_head(control, [anchors])
    assert verify(control, root, read_places([anchors])).certain == 6
    with control.transaction() as connection:
        rows = [dict(row) for row in connection.execute(sa.select(audit).order_by(audit.c.seq)).mappings()]
        connection.execute(audit.delete())
        previous = "0" * 64
        for row in rows:
            row |= {"actor": "eve" if row["seq"] == 4 else row["actor"], "previous": previous}
            row["hash"] = previous = audit_hash(row)
            connection.execute(audit.insert().values(**row))
    anchor_head(control, [anchors])
    assert verify(control, root).intact
    verdict = verify(control, root, read_places([anchors]))
    assert (verdict.first, verdict.certain) == (4, 3)


def test_the_page_names_the_rights_that_a_refusal_names() -> None:
    page = (Path(__file__).parents[2] / "docs/audit.md").read_text()
    assert ", ".join(f"`{each}`" for each in RIGHTS[:-1]) + f" and `{RIGHTS[-1]}` there, and nothing that deletes" in page

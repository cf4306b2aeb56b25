"""What AWS keeps of a table's removed items: point-in-time recovery, backups, the table's stream. Only its owner can end it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError

NOT_ASKED = "which may not be asked here (dynamodb:DescribeContinuousBackups, ListBackups, DescribeTable)"


def kept(client: Any, table: str) -> list[str]:
    """In words: what it is, and what ends it. Changes nothing. What the login may not ask is said as well."""
    try:
        return [*_recovery(client, table), *_backups(client, table), *_stream(client, table)]
    except ClientError as error:
        why = error.response.get("Error", {}).get("Code", "")
        return [
            f"point-in-time recovery and backups of the table {table}, {NOT_ASKED}: {why}. Those that hold the rows go by hand."
        ]


def _recovery(client: Any, table: str) -> Iterator[str]:
    said = client.describe_continuous_backups(TableName=table)["ContinuousBackupsDescription"]
    recovery = said.get("PointInTimeRecoveryDescription", {})
    if recovery.get("PointInTimeRecoveryStatus") == "ENABLED":
        days = recovery.get("RecoveryPeriodInDays", 35)
        yield f"point-in-time recovery of the table {table}, for {days} days: or switch it off and on (UpdateContinuousBackups)."


def _backups(client: Any, table: str) -> Iterator[str]:
    names = [each["BackupName"] for each in client.list_backups(TableName=table).get("BackupSummaries", ())]
    if names:
        yield f"{len(names)} backups of the table {table} ({', '.join(sorted(names)[:5])}): aws dynamodb delete-backup."


def _stream(client: Any, table: str) -> Iterator[str]:
    stream = client.describe_table(TableName=table)["Table"].get("StreamSpecification", {})
    if stream.get("StreamEnabled"):
        yield f"the stream of the table {table}, for 24 hours."

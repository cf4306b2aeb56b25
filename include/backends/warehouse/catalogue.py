"""The Glue catalogue: whether a table has a partition."""

from __future__ import annotations

from collections.abc import Callable

from botocore.exceptions import ClientError

from include.backends.aws.errors import code, reaching
from include.core.ports import AwsAccess


def open_catalogue(aws: AwsAccess) -> Callable[[str, list[str]], bool]:
    """Asks for one partition, by a call that costs next to nothing and reads no data."""

    def has(table: str, values: list[str]) -> bool:
        database, _, name = table.partition(".")
        with reaching(f"the partition {values} of {table}", hint="does the table exist? See data.warehouse: table, partition."):
            try:
                aws.client("glue").get_partition(DatabaseName=database, TableName=name, PartitionValues=values)
                return True
            except ClientError as error:
                if code(error) != "EntityNotFoundException":
                    raise
                # A table that is not there is said in the same code, and is a mistake of the spec.
                aws.client("glue").get_table(DatabaseName=database, Name=name)
                return False

    return has

"""The field `data.warehouse`: sources whose raw partitions are made by a query, or a job, in a warehouse of AWS.

Times and days are UTC. `{first}` and `{after}` in a text stand for the first day that is landed and for the day after the last.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from include.core.spec.base import Frozen, Name

FIRST, AFTER, TARGET = "{first}", "{after}", "{target}"


class FromWarehouse(Frozen):
    """What every engine has."""

    engine: str

    source: Name
    """The source of `data.sources` that it brings."""

    day_column: str = ""
    """The column that says on which day (UTC) a row lies: a date, a time or its text. It is needed to land several days at once;
    where one day is landed, rows of other days are refused."""

    table: str = ""
    """The table of the Glue catalogue, `database.table`, one partition of which is there once a day is complete. By default none
    is asked for."""

    partition: tuple[str, ...] = (FIRST,)
    """The values of that partition, in the order of the table's partition keys. `{first}` stands for the day."""

    @model_validator(mode="after")
    def _names_a_table(self) -> Self:
        if self.table and self.table.count(".") != 1:
            raise ValueError("table must look like 'database.table'")
        return self


class _Query(FromWarehouse):
    query: str = Field(min_length=1)
    """The SELECT whose rows are the source's. It says `{first}` (the first day that is landed) and `{after}` (the day after the
    last), such as `WHERE ordered_at >= DATE '{first}' AND ordered_at < DATE '{after}'`."""

    ready: str = ""
    """A SELECT that returns a row once the warehouse has the day, with `{first}` and `{after}`. By default it is not asked."""

    @model_validator(mode="after")
    def _asks_for_days(self) -> Self:
        lacking = [name for name in (FIRST, AFTER) if name not in self.query]
        if lacking:
            raise ValueError(f"query must hold {' and '.join(lacking)}: else each day would be the whole table")
        for field in ("query", "ready"):
            if getattr(self, field).rstrip().endswith(";"):
                raise ValueError(f"{field} must be one SELECT without a semicolon at its end")
        return self


class Athena(_Query):
    """Rows of a query of Amazon Athena."""

    engine: Literal["athena"] = "athena"
    """Which engine it is."""

    database: str = Field(min_length=1)
    """The database of the query's tables."""

    catalog: str = "AwsDataCatalog"
    """The data catalogue of that database."""

    workgroup: str = "primary"
    """The workgroup that the query runs in."""

    output: str = Field("", pattern=r"^(s3://.+)?$")
    """Where Athena writes what it says about a query, `s3://bucket/prefix/`. By default the workgroup says where. The rows
    themselves go under the storage root."""


class Redshift(_Query):
    """Rows of a query of Amazon Redshift, by its Data API."""

    engine: Literal["redshift"] = "redshift"
    """Which engine it is."""

    database: str = Field(min_length=1)
    """The database of the query's tables."""

    workgroup: str = ""
    """The workgroup of Redshift Serverless. Either it or `cluster` is given."""

    cluster: str = ""
    """The identifier of a provisioned cluster."""

    user: str = ""
    """The database user of a provisioned cluster. By default the login of AWS itself is one."""

    secret: str = ""
    """The ARN of the secret that holds the database login. By default there is none."""

    role: str = "default"
    """The ARN of the IAM role that Redshift writes to S3 with. By default the one that the warehouse has as its default."""

    @model_validator(mode="after")
    def _is_somewhere(self) -> Self:
        if bool(self.workgroup) == bool(self.cluster):
            raise ValueError("give workgroup (Redshift Serverless) or cluster, and not both")
        if "$$" in self.query:
            raise ValueError("query must not hold $$, which is around it in UNLOAD")
        return self


class EmrServerless(FromWarehouse):
    """What a Spark job of EMR Serverless writes."""

    engine: Literal["emr_serverless"] = "emr_serverless"
    """Which engine it is."""

    application: str = Field(min_length=1, pattern=r"^[0-9a-z]+$")
    """The id of the application."""

    role: str = Field(min_length=20)
    """The ARN of the role that the job runs with. It may write below the storage root."""

    entry_point: str = Field(min_length=1)
    """The job's script or jar, such as `s3://bucket/orders.py`."""

    arguments: tuple[str, ...] = (FIRST, AFTER, TARGET)
    """What the job is called with. `{first}`, `{after}` and `{target}`, the folder of its Parquet files, must be there."""

    spark: str = ""
    """The parameters of spark-submit, such as `--conf spark.executor.cores=2`."""

    minutes: int = Field(720, ge=5, le=10_080)
    """After how many minutes EMR stops the job."""

    @model_validator(mode="after")
    def _says_where(self) -> Self:
        lacking = [name for name in (FIRST, AFTER, TARGET) if not any(name in each for each in self.arguments)]
        if lacking:
            raise ValueError(f"arguments must hold {' and '.join(lacking)}")
        return self


Warehouse = Annotated[Athena | Redshift | EmrServerless, Field(discriminator="engine")]

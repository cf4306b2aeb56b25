"""The online store in DynamoDB against moto: the guard, and what is DynamoDB's alone.

The whole of the online stores' suites runs against it in `make thorough`, and against another engine where DYNAMODB_ENGINE names
one (`npx dynalite --port 4567`, DynamoDB Local): `DYNAMODB_ENGINE=http://127.0.0.1:4567 make thorough PATHS=tests/contract`.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest
from botocore.exceptions import ClientError

from benchmarks.features.convergence import series
from include.backends.aws.access import open_access
from include.backends.dynamodb.address import address_of
from include.backends.dynamodb.item import EXPIRES, UNTIL
from include.backends.dynamodb.kept import kept
from include.backends.dynamodb.table import make_table
from include.cli.components import online_store
from include.core.errors import PermanentError, SpecError
from include.core.ports import AwsAccess
from include.core.settings import Settings
from include.online_store.open import open_online
from tests.contract.online_rows import DAY, HOUR, PLANE, ROUTE, plane, routes
from tests.support.effort import effort
from tests.support.error_message import assert_says


@pytest.fixture(scope="module")
def aws(dynamodb_address: str) -> AwsAccess:
    """One for all: a client costs a fifth of a second."""
    uri = f"aws://testing:testing@/?region_name=us-east-1&endpoint_url={quote(dynamodb_address, safe='')}"
    return open_access(Settings.from_env({"AIRFLOW_CONN_AWS_DEFAULT": uri}))


@pytest.fixture
def client(aws: AwsAccess) -> Any:
    return aws.client("dynamodb")


def rate(value: float, hour: int = 0) -> Any:
    return routes(("JFK", "LAX", DAY + hour * HOUR, value, "é", 3))


def test_newest_wins_by_event_then_creation_then_value_and_views_lie_side_by_side(dynamodb_url: str, aws: AwsAccess) -> None:
    store = open_online(dynamodb_url, lambda: aws)
    writes = [(0.5, 1, DAY), (0.9, 0, DAY + HOUR), (0.4, 1, DAY), (0.6, 1, DAY), (0.6, 1, DAY), (0.1, 1, DAY + HOUR)]
    assert [store.write("m", ROUTE, rate(value, hour), created) for value, hour, created in writes] == [1, 0, 0, 1, 0, 1]
    other = ROUTE.model_copy(update={"version": "next"})
    report = store.write_back("m", other, rate(0.7), DAY)
    assert (report.written, report.same, report.lost) == (1, (0,), ())
    read = [store.read("m", view, [("JFK", "LAX")])[0] for view in (ROUTE, other)]
    assert read == [{"rate": 0.1, "note": "é", "seats": 3}, {"rate": 0.7, "note": "é", "seats": 3}]
    assert store.newest("m", [ROUTE, other, PLANE]) == [DAY + HOUR, DAY, None]
    assert (store.count("m", ROUTE), store.holds("m", [ROUTE, PLANE])) == (1, [True, False])


def test_a_row_that_has_outlived_its_time_is_not_there_while_dynamodb_still_keeps_it(
    dynamodb_url: str, aws: AwsAccess, client: Any
) -> None:
    store = open_online(dynamodb_url, lambda: aws)
    short = ROUTE.model_copy(update={"ttl": timedelta(milliseconds=-1) - HOUR})  # the clocks' hour is over, and so is the row's
    assert store.write("m", short, rate(0.5, 1), DAY) == 1
    (kept,) = [item for item in client.scan(TableName=dynamodb_url.partition("//")[2])["Items"] if UNTIL in item]
    assert int(kept[EXPIRES]["N"]) == int(kept[UNTIL]["N"]) // 1_000_000 + 1
    assert store.read("m", short, [("JFK", "LAX")]) == [None]
    assert (store.count("m", short), store.holds("m", [short])) == (0, [False])
    assert store.write("m", short, rate(0.2), DAY) == 1  # older, and nothing that counts is in its way


def test_the_same_row_again_is_no_change_and_lives_anew(dynamodb_url: str, aws: AwsAccess, client: Any) -> None:
    store, until = open_online(dynamodb_url, lambda: aws), []
    for days in (1, 3):
        assert store.write("m", ROUTE.model_copy(update={"ttl": timedelta(days=days)}), rate(0.5), DAY) == (days == 1)
        items = client.scan(TableName=dynamodb_url.partition("//")[2])["Items"]
        until += [int(item[UNTIL]["N"]) for item in items if UNTIL in item]
    assert until[1] - until[0] >= 2 * 86_400_000_000


def test_an_event_loop_gets_the_rows_that_tasks_wrote(dynamodb_url: str, aws: AwsAccess) -> None:
    store = open_online(f"{dynamodb_url}?reads=strong", lambda: aws)
    store.write("m", PLANE, plane(DAY, 1999.0), DAY)

    async def fetched() -> Any:
        loop = asyncio.get_running_loop()
        rows = store.rows(loop)
        assert rows is not None
        for _ in range(50):  # a busy machine may need more than one request's time
            done: asyncio.Future[Any] = loop.create_future()
            rows.fetch([*store.reader("m", (PLANE,)).keys({"tailnum": "N1"}), "nobody's"], done.set_result)
            if not isinstance(found := await done, Exception):
                break
        rows.close()
        return found

    first, none = asyncio.run(fetched())
    assert none is None
    assert store.reader("m", (PLANE,)).values([first], DAY) == {"year": 1999.0}


def test_a_missing_table_is_made_where_the_address_asks_for_it_and_is_an_error_elsewhere(
    dynamodb_url: str, aws: AwsAccess, client: Any
) -> None:
    url = f"{dynamodb_url}-more"
    with pytest.raises(PermanentError) as failed:
        open_online(url, lambda: aws).write("m", PLANE, plane(DAY), DAY)
    assert_says(failed.value, url, "SLIPSTREAM_ONLINE_URL", "?create=yes")
    assert "ResourceNotFound" in online_store(url, lambda: aws).problem
    assert online_store(dynamodb_url, lambda: aws).problem == ""
    for _ in range(2):
        open_online(f"{url}?create=yes", lambda: aws).write("m", PLANE, plane(DAY), DAY)
        make_table(client, address_of(url))
    assert open_online(url, lambda: aws).count("m", PLANE) == 1
    seen = client.describe_time_to_live(TableName=url.partition("//")[2])["TimeToLiveDescription"]
    assert seen == {"TimeToLiveStatus": "ENABLED", "AttributeName": EXPIRES}


def test_a_table_of_somebody_else_is_refused_and_left_alone(dynamodb_url: str, aws: AwsAccess, client: Any) -> None:
    name = f"{dynamodb_url.partition('//')[2]}-theirs"
    client.create_table(TableName=name, BillingMode="PAY_PER_REQUEST", KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
                        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}])  # fmt: skip
    with pytest.raises(SpecError) as refused:
        open_online(f"dynamodb://{name}?create=yes", lambda: aws).read("m", PLANE, [("N1",)])
    assert_says(refused.value, name, "nothing of it was changed")
    assert client.describe_time_to_live(TableName=name)["TimeToLiveDescription"]["TimeToLiveStatus"] == "DISABLED"


@pytest.mark.whole
def test_a_hundred_random_orders_with_kills_leave_what_the_oracle_says(dynamodb_url: str) -> None:
    done = list(series(dynamodb_url, effort(1, 100)))
    assert [trial.wrong for trial in done] == [0] * len(done)
    assert sum(trial.killed for trial in done) > 10


def test_what_aws_keeps_of_removed_rows_is_named_with_what_ends_it(dynamodb_url: str, aws: AwsAccess, client: Any) -> None:
    table = dynamodb_url.removeprefix("dynamodb://")
    store = open_online(dynamodb_url, lambda: aws)
    store.write("m", PLANE, plane(DAY), DAY)
    assert store.remove("m", lambda view, keys: True) == 1
    assert store.purge() == []
    client.update_continuous_backups(TableName=table, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True})
    client.create_backup(TableName=table, BackupName="before")
    recovery, backups = store.purge()
    assert recovery.startswith(f"point-in-time recovery of the table {table}, for 35 days")
    assert "1 backups" in backups
    assert "delete-backup" in backups

    class Denied:
        def describe_continuous_backups(self, **_: Any) -> Any:
            raise ClientError({"Error": {"Code": "AccessDeniedException"}}, "DescribeContinuousBackups")

    (said,) = kept(Denied(), table)
    assert "may not be asked here" in said
    assert "AccessDeniedException" in said

"""The way to AWS without Airflow: one connection gives login, region and addresses."""

from __future__ import annotations

from include.core.ports import open_aws
from include.core.settings import Settings
from tests.support.s3_server import moto_server


def test_a_connection_gives_login_region_and_address() -> None:
    with moto_server() as address:
        uri = f"aws://AKIA:se%2Fcret@/?region_name=eu-west-1&endpoint_url={address}"
        aws = open_aws(Settings.from_env({"AIRFLOW_CONN_AWS_DEFAULT": uri}))
        assert aws.region == "eu-west-1"
        assert aws.client("sts").get_caller_identity()["Account"] == "123456789012"
        client = aws.client("sqs")
        assert client is aws.client("sqs")  # one for each service
        credentials = client._request_signer._credentials
        assert (credentials.access_key, credentials.secret_key) == ("AKIA", "se/cret")


def test_without_a_connection_region_and_address_are_the_environments() -> None:
    aws = open_aws(Settings.from_env({"AWS_DEFAULT_REGION": "eu-north-1", "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}))
    assert aws.region == "eu-north-1"
    assert aws.client("sqs").meta.endpoint_url == "http://127.0.0.1:9"

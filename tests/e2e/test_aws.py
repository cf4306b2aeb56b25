"""`make e2e-aws`: the loop of the demonstration in small where all state is AWS's.

The root is in S3, training runs in SageMaker (the stand-in runs the container's entry point as a process), rows are served from
DynamoDB, windows are announced by SQS, and every login but AWS's own is a secret of Secrets Manager. One server stands for AWS.
"""

from __future__ import annotations

import os
from collections import Counter
from contextlib import suppress
from functools import partial

import psutil
import pytest

from include.core.catalog import load_spec
from include.core.connection import from_env
from include.core.environment import PLATFORM
from include.local.connections import connections, read_file
from include.local.credentials import Credentials
from include.local.platform import Platform
from include.rollout.history import list_rollouts
from include.services.services import Services
from tests.e2e.aws.account import AwsAccount, account
from tests.e2e.aws.life import CASE, MODEL, AwsLife, write_model
from tests.e2e.case_home import home_of, platform_of

pytestmark = pytest.mark.e2e


def keep_logins(aws: AwsAccount, platform: Platform) -> None:
    """The platform's own connections as secrets: its processes are given none of them then."""
    aws.keep(connections(platform, Credentials.load(platform.home)))


def given(platform: Platform) -> set[str]:
    """The connections in the environments of the platform's processes."""
    found: set[str] = set()
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            environ = process.environ()
            if environ.get(PLATFORM.name) == platform.digest:
                found |= {name for name in environ if name.startswith("AIRFLOW_CONN_")}
    return found


def test_the_loop_is_closed_on_aws() -> None:
    with home_of("aws") as home, account(home) as aws:
        write_model(home / "models", aws.queue)
        with platform_of(home / "platform", home / "models", aws.environment(), partial(keep_logins, aws)) as platform:
            assert given(platform) == {"AIRFLOW_CONN_AWS_DEFAULT"}
            environ = {**os.environ, **read_file(platform.home)}
            services, gateway = Services.from_env(environ), from_env("slipstream_gateway", environ)
            assert gateway is not None
            life = AwsLife(CASE, load_spec(MODEL, str(home / "models")), services, gateway.password, home, aws=aws)
            came = life.tell()
            jobs, items, left = aws.training_jobs(), aws.items(), aws.messages()
            rollouts = Counter(each.challenger for each in list_rollouts(life.control, MODEL))
            decided = Counter(each.as_of for each in life.decided())
    print(f"aws: {came.words()}; training jobs {jobs}; {items:,} rows in DynamoDB; {left} messages left")

    assert (came.tally.failed, came.tally.first_failure) == (0, "")
    assert came.first.state == "promoted"
    assert came.second is not None
    assert came.second.state == "promoted"
    assert came.broken is not None
    assert came.broken.state == "rolled_back"
    assert came.retrained is not None
    assert came.champion == came.retrained.version
    assert sorted(jobs.values()) == ["Completed", "Completed"]  # the first version and its retraining, each once
    assert max(rollouts.values()) == 1
    assert max(decided.values()) == 1
    assert items > 1_000
    assert left == 0

"""Whether a server answers. A check returns what is wrong, or nothing; it never raises and never waits long."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Callable

from include.core import tls
from include.core.errors import SlipstreamError, one_line
from include.local.credentials import Credentials
from include.local.platform import Platform
from include.local.postgres import dsn, superuser_dsn

# (platform, credentials, Unix time at which the process started) -> what is wrong; "" if healthy
Check = Callable[[Platform, Credentials, float], str]
TIMEOUT = 3.0  # seconds
CLOCK_SLACK = 2.0  # the supervisor gives whole seconds


def unseen(platform: Platform, credentials: Credentials, started: float) -> str:
    """Nothing to ask: a running process is healthy."""
    del platform, credentials, started
    return ""


def postgres(platform: Platform, credentials: Credentials, started: float) -> str:
    del started
    return _query(superuser_dsn(platform, credentials), "SELECT 1")[0]


def mlflow(platform: Platform, credentials: Credentials, started: float) -> str:
    del credentials, started
    return _get(f"{platform.url('mlflow')}/health")


def ray(platform: Platform, credentials: Credentials, started: float) -> str:
    """The Jobs API, and the agent that starts the jobs: it comes up last."""
    del started
    jobs = _get(f"{platform.url('ray')}/api/jobs/", {"Authorization": f"Bearer {credentials.ray_token}"})
    return jobs or _get(f"{platform.url('ray_agent')}/api/local_raylet_healthz")


def api_server(platform: Platform, credentials: Credentials, started: float) -> str:
    del credentials, started
    return _get(f"{platform.url('airflow')}/api/v2/monitor/health")


def gateway(platform: Platform, credentials: Credentials, started: float) -> str:
    del credentials, started
    return _get(f"{platform.url('gateway')}/v2/health/live")


def airflow_job(kind: str) -> Check:
    """A heartbeat of this very process: the last run's may still look fresh."""

    def check(platform: Platform, credentials: Credentials, started: float) -> str:
        problem, beat = _query(
            dsn(platform, credentials, "airflow"),
            "SELECT extract(epoch FROM max(latest_heartbeat)) FROM job WHERE job_type = %s AND start_date >= to_timestamp(%s)"
            " AND latest_heartbeat > start_date AND latest_heartbeat > now() - interval '30 seconds'",
            (kind, started - CLOCK_SLACK),
        )
        return problem or ("" if beat else "no heartbeat yet")

    return check


def _query(address: str, sql: str, values: tuple[object, ...] = ()) -> tuple[str, object]:
    import psycopg2

    try:
        connection = psycopg2.connect(address)
    except psycopg2.Error as error:
        return str(error).strip(), None
    try:
        with connection.cursor() as cursor:
            cursor.execute(sql, values)
            return "", (cursor.fetchone() or (None,))[0]
    except psycopg2.Error as error:
        return str(error).strip(), None
    finally:
        connection.close()


def _get(url: str, headers: dict[str, str] | None = None) -> str:
    # A proxy of this machine has no business with loopback.
    handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
    try:
        if url.startswith("https:"):
            handlers.append(urllib.request.HTTPSHandler(context=tls.gateway_context()))
        opener = urllib.request.build_opener(*handlers)
        with opener.open(urllib.request.Request(url, headers=headers or {}), timeout=TIMEOUT):
            return ""
    except urllib.error.HTTPError as error:
        return f"{url} answered {error.code}"
    except (OSError, SlipstreamError) as error:
        return f"{url}: {one_line(error)}"

"""The last lines that a job's container wrote, from CloudWatch Logs."""

from __future__ import annotations

from typing import Any

from include.backends.aws.errors import is_absent, reaching
from include.core.errors import PermanentError

STREAMS = 50  # of one job: a spot job has one for every instance that it ran on


def last_lines(logs: Any, group: str, name: str, lines: int) -> list[str]:
    """Of the newest of the job's streams. Empty where there is none. Raises UnreachableError, and PermanentError where the login
    may not read it."""
    try:
        with reaching(f"the log of job {name}", safe="the job is not touched."):
            found = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=f"{name}/", limit=STREAMS)
            streams = sorted(found["logStreams"], key=lambda stream: stream.get("lastEventTimestamp", stream["creationTime"]))
            written: list[str] = []
            while streams and len(written) < lines:  # a container that has only just started has little to say
                stream = streams.pop()["logStreamName"]
                events = logs.get_log_events(logGroupName=group, logStreamName=stream, limit=lines, startFromHead=False)["events"]
                written = [*(event["message"].rstrip() for event in events), *written]
    except PermanentError as error:
        if error.__cause__ is not None and is_absent(error.__cause__):
            return []
        raise
    return written[-lines:]

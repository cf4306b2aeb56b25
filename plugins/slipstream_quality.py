"""Data quality, as the console asks for it: by owner and partition, the rows in quarantine; and two acts on partitions."""

from __future__ import annotations

from typing import Annotated, Any

from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from include.core.errors import ConflictError, SlipstreamError, one_line
from include.core.partition import Partition
from include.core.spec import PartitionOwner
from include.core.time import utc_now
from include.overview.quality import MOST, partitions_of, standing_lines
from include.validation.kept import verdicts_on
from include.validation.quarantine import quarantines
from include.validation.release import Looked, look, release_of
from plugins.slipstream_access import any_access, dag_of, may, owner_access, owner_operator
from plugins.slipstream_runs import RANGE, start_run
from plugins.slipstream_services import services

router = APIRouter()
User = Annotated[BaseUser, Depends(any_access)]
Reader = Annotated[BaseUser, Depends(owner_access)]
Operator = Annotated[BaseUser, Depends(owner_operator)]
TOKEN = r"^([0-9a-f]{16,64})?$"
Day = Annotated[str, Query(max_length=30)]


class Stretch(BaseModel):
    """Partitions from `first` to `last`, both included, and why."""

    model_config = ConfigDict(extra="forbid")
    first: str = Field(min_length=4, max_length=30)
    last: str = Field(min_length=4, max_length=30)
    reason: str = Field(min_length=3, max_length=500)
    fresh: bool = Field(default=False, strict=True)
    """Whether what is there is computed again."""
    token: str = Field(default="", pattern=TOKEN)
    """Of one click. Sent again it finds the run that it made."""


class Release(BaseModel):
    """Of the rows of one partition's quarantine."""

    model_config = ConfigDict(extra="forbid")
    day: str = Field(min_length=4, max_length=30)
    reason: str = Field(min_length=3, max_length=500)
    token: str = Field(default="", pattern=TOKEN)


@router.get("/api/quality")
def quality(request: Request, user: User) -> dict[str, Any]:
    """Every model and feature set that the user may read, in a line each."""
    held, broken = services(), dict[str, str]()
    specs: list[PartitionOwner] = []
    for name in [*held.feature_set_names(), *held.model_names()]:
        if not may(name, request, user, dag=dag_of(name)):
            continue
        try:
            specs.append(held.owner(name))
        except SlipstreamError as error:
            broken[name] = one_line(error)
    return {"owners": standing_lines(held.control, specs, utc_now()), "broken": broken}


@router.get("/api/quality/{model}")
def partitions(
    model: str, request: Request, user: Reader, last: Day = "", count: Annotated[int, Query(ge=1, le=MOST)] = 31
) -> dict[str, Any]:
    """A page of its partitions, the newest first. `last`: the newest of the page."""
    held, spec = services(), services().owner(model)
    start = spec.data.cadence.parse(last) if last else None
    acts = may(model, request, user, "POST", RANGE)
    return {**partitions_of(held, spec, utc_now(), start, count), "may": {"take_in": acts}}


@router.get("/api/quality/{model}/quarantine/{day}")
def quarantine(model: str, day: str, user: Reader) -> dict[str, Any]:
    """The rows that are set aside of a partition: why, and which would pass today's rules. Reads their files."""
    del user
    spec = services().owner(model)
    return _held(spec, _looked(spec, spec.data.cadence.parse(day)))


@router.post("/api/quality/{model}/backfill")
def backfill(model: str, body: Stretch, user: Operator) -> dict[str, Any]:
    """Takes in partitions by one run of the DAG for ranges: judged, computed and published."""
    spec = services().owner(model)
    first, last = spec.data.cadence.parse(body.first), spec.data.cadence.parse(body.last)
    detail = {"first": str(first), "last": str(last), "fresh": body.fresh}
    if last < first:
        raise ConflictError(
            "The range ends before it begins.", seen=f"{first} to {last}", safe="nothing was started.", hint="exchange the two."
        )
    return start_run(model, RANGE, _conf(detail), user, "features.backfill", detail, body.reason, body.token)


@router.post("/api/quality/{model}/release")
def release(model: str, body: Release, user: Operator) -> dict[str, Any]:
    """Makes the partition again, and those that have read it, so that the rows which pass today's rules are published."""
    spec = services().owner(model)
    day = spec.data.cadence.parse(body.day)
    looked = _looked(spec, day)
    stretch = release_of(spec, looked)
    if stretch is None:
        raise ConflictError(
            f"No row in quarantine of {model} on {day} passes today's rules.",
            seen=sum(each.held.quarantined for each in looked),
            safe="nothing was started; the rows stay where they are.",
            hint="land a corrected partition, or correct the rule in expectations.py; then release them.",
        )
    detail = {"day": str(day), "first": str(stretch["first"]), "last": str(stretch["last"]), "fresh": False,
              "rows": sum(each.passing for each in looked)}  # fmt: skip
    return start_run(model, RANGE, _conf(detail), user, "quarantine.release", detail, body.reason, body.token)


def _conf(detail: dict[str, Any]) -> dict[str, Any]:
    """The parameters of the run."""
    return {"from": detail["first"], "to": detail["last"], "fresh": detail["fresh"]}


def _looked(spec: PartitionOwner, day: Partition) -> list[Looked]:
    held = services()
    said = verdicts_on(held.control, spec.name, [str(day)])
    return [look(held.ledger, spec, each) for each in quarantines(held.ledger, [each.key for each in said.values()])]


def _held(spec: PartitionOwner, looked: list[Looked]) -> dict[str, Any]:
    found = release_of(spec, looked)
    stretch = None if found is None else {name: str(each) for name, each in found.items()}
    return {"held": [each.to_json() for each in looked], "release": stretch}

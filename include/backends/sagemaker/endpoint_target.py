"""A SageMaker endpoint that follows the route of its model: the port `include.serving.target.ServingTarget`.

The control store has the route; this makes the endpoint what the route asks for, one call after another, and believes nothing but
DescribeEndpoint. A call that succeeds says only that AWS has begun: it may roll the change back minutes later, and then the
endpoint is in service, with the configuration before, and often without a reason. So every call is written down before it is
sent, with AWS's time of the endpoint's last change: an endpoint that was changed since and is not what was asked for was rolled
back, and one that was not changed has never had the call. Who is killed at any instant finds out in the same way.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any

import sqlalchemy as sa
from botocore.exceptions import ClientError

from include.backends.aws.errors import code, reaching
from include.backends.sagemaker.endpoint_parts import MODEL_TAG, ROOT_TAG, Parts, is_missing
from include.backends.sagemaker.endpoint_plan import (
    Seen,
    Step,
    Wanted,
    is_as,
    next_step,
    seen_of,
    variant,
    version_of,
    wanted,
)
from include.backends.sagemaker.endpoint_questions import Asking
from include.core import fault
from include.core.advisory_lock import exclusive
from include.core.control import ControlStore
from include.core.digest import digest_json
from include.core.documents import Document, DocumentKind
from include.core.errors import ConflictError, GateClosed, UnreachableError
from include.core.machine import this_machine
from include.core.spec import ModelSpec
from include.core.time import now
from include.core.versioned import Format
from include.routing.applied import note_applied
from include.routing.route import Route, read_route
from include.serving.client import Said
from include.serving.target import Stores
from include.versions.queries import stored

TIMEOUT = 2700.0  # seconds: AWS starts machines, and takes a container that answers no ping for dead after many minutes
POLL, SLOWEST = 2.0, 20.0  # seconds between two looks: more and more
CALLS = DocumentKind("endpoint_call", Format("a call that changes an endpoint"))
"""What is sent to AWS, written down before it is: by model."""
NOT_TAKEN = "/not taken"


class SageMakerTarget:
    """The endpoint of one model. `pause`: waits so many seconds between two looks."""

    def __init__(self, spec: ModelSpec, stores: Stores, pause: Callable[[float], None] = time.sleep) -> None:
        self.spec, self._stores, self._pause = spec, stores, pause
        self._models: dict[str, str] = {}  # by variant, the SageMaker model that was made or found
        self._ours = ""  # the endpoint whose tags were looked at

    @cached_property
    def parts(self) -> Parts:
        stores = self._stores
        return Parts(stores.aws().client("sagemaker"), self.spec, stores.settings, stores.storage())

    @cached_property
    def _asking(self) -> Asking:
        return Asking(self._stores.aws().client("sagemaker-runtime"), self.parts.name)

    @property
    def name(self) -> str:
        return self.parts.name

    # -- the port ------------------------------------------------------------------------------------------------------------

    def wait_applied(self, model: str, generation: int, timeout: float = TIMEOUT) -> dict[str, Any]:
        """Make the endpoint follow the model's route, and wait until it is seen to. Returns {"generation", "gateways"}.

        Raises GateClosed where AWS did not make a change towards a challenger: the way on is closed, and the rollout goes back.
        UnreachableError at the timeout, and where AWS did not make a change towards the champion alone: to be tried again.
        """
        until, waited, before = time.monotonic() + timeout, POLL, self._calls()
        while True:
            doing = self._advance(model, before)
            if not doing:
                current = read_route(self._stores.control(), model)[0]
                return {"generation": current, "gateways": [f"the SageMaker endpoint {self.name}"], "silent": []}
            if time.monotonic() >= until:
                raise self._late(model, generation, doing)
            self._pause(waited)
            waited = min(SLOWEST, 1.3 * waited)

    def advance(self, model: str) -> str:
        return self._advance(model, self._calls())

    def columns(self, model: str, version: int) -> list[dict[str, str]]:
        del model
        return self._asking.columns(variant(version))

    def infer(self, model: str, version: int, rows: Sequence[Mapping[str, Any]]) -> tuple[Said, float]:
        del model
        return self._asking.infer(variant(version), rows)

    # -- one step ------------------------------------------------------------------------------------------------------------

    def _advance(self, model: str, before: frozenset[str]) -> str:
        """`before`: calls that this attempt has found. One of those that failed is sent again where no challenger is wanted."""
        control = self._stores.control()
        holder = f"{this_machine()} at the endpoint {self.name}"
        with exclusive(control, f"endpoint/{model}", holder) as epoch:
            generation, route = read_route(control, model)
            seen = self.describe()
            if seen is not None and seen.moving:
                return self._moving_words(seen)
            want = wanted(route)
            config, content = self._wanted_config(want)
            if is_as(want, config, seen):
                self._note_applied(model, generation, config)
                return ""
            step = next_step(want, config, seen)
            if step is None:  # what is missing is not ours to ask for: a variant has no machine yet
                return f"the endpoint {self.name} has the configuration {config}, and not yet a machine for each of its variants"
            self._check_earlier(model, generation, route, step, seen, before)
            if content is not None and step.kind in ("create", "update"):
                self.parts.ensure_config(config, content)
            self._send(control, model, generation, epoch, step, seen)
            return f"{step.words}, asked for just now"

    def _wanted_config(self, want: Wanted) -> tuple[str, dict[str, Any] | None]:
        if want.empty:
            return "", None
        names = [*want.weights, *([want.shadow] if want.shadow else [])]
        return self.parts.config(want, {name: self._model_of(name) for name in names})

    def _model_of(self, name: str) -> str:
        if name not in self._models:
            version = version_of(name)
            assert version is not None
            self._models[name] = self.parts.ensure_model(version, stored(self._stores.control(), self.spec.name, version))
        return self._models[name]

    def describe(self) -> Seen | None:
        """The endpoint now; None where there is none. Raises ConflictError for one that is not ours."""
        client = self.parts.client
        with reaching(f"the endpoint {self.name}", safe="it is as it was."):
            try:
                described = client.describe_endpoint(EndpointName=self.name)
            except ClientError as error:
                if is_missing(error):
                    return None
                raise
            if described["EndpointArn"] != self._ours:
                tags = client.list_tags(ResourceArn=described["EndpointArn"], MaxResults=100)["Tags"]
                self._require_ours({each["Key"]: each["Value"] for each in tags})
                self._ours = described["EndpointArn"]
        return seen_of(described)

    def _require_ours(self, tags: Mapping[str, str]) -> None:
        wrong = {key: tags.get(key) for key in (MODEL_TAG, ROOT_TAG) if tags.get(key) != self.parts.tags[key]}
        if wrong:
            raise ConflictError(
                f"The SageMaker endpoint {self.name} is not of this model and this installation: its tags say so.",
                seen=wrong,
                safe="it was not touched.",
                hint="give the endpoint of the spec another name: serving.endpoint.name.",
            )

    def _check_earlier(
        self, model: str, generation: int, route: Route, step: Step, seen: Seen | None, before: frozenset[str]
    ) -> None:
        """Raises where this step was sent already for this route, and AWS has done something else."""
        modified = seen.modified if seen is not None else ""
        known = CALLS.about(self._stores.control(), self._subject)
        passed = {call.body["of"] for call in known if "of" in call.body}  # not taken by AWS
        if route.challenger is None:
            passed |= before
        sent = [
            call for call in known
            if call.key not in passed and call.body.get("generation") == generation and call.body["step"] == step.words
            and call.body["modified"] != modified
        ]  # fmt: skip
        if sent:
            raise self._undone(model, generation, route, sent[-1], seen)

    def _send(self, control: ControlStore, model: str, generation: int, epoch: int, step: Step, seen: Seen | None) -> None:
        """Write the call down, then make it. The route must be the one that it is made for: a later one is somebody else's."""
        modified = seen.modified if seen is not None else ""
        key = f"endpoint/{self.name}/{generation}/{step.kind}/{modified}/{digest_json(step.target)[:16]}"

        def effect(connection: sa.Connection) -> dict[str, Any]:
            body = {"generation": generation, "step": step.words, "modified": modified, "config": seen.config if seen else ""}
            CALLS.save_in(connection, key, self._subject, body)
            detail = {"endpoint": self.name, "generation": generation, "step": step.words}
            control.append_audit(connection, "endpoint", f"endpoint.{step.kind}", model, detail)
            return {}

        control.once(key, f"endpoint/{model}", epoch, effect)
        with control.transaction() as connection:
            control.fence(connection, f"endpoint/{model}", epoch)
        fault.point("endpoint.send")
        with reaching(f"the endpoint {self.name}", safe="it answers as before."):
            try:
                self._call(step)
            except ClientError as error:
                if not _is_busy(error):
                    raise
                CALLS.save(control, f"{key}{NOT_TAKEN}", self._subject, {"of": key})  # another update was a moment earlier
        fault.point("endpoint.sent")

    def _call(self, step: Step) -> None:
        client, name = self.parts.client, self.name
        if step.kind == "create":
            tags = [{"Key": key, "Value": value} for key, value in self.parts.tags.items()]
            client.create_endpoint(EndpointName=name, EndpointConfigName=step.target, Tags=tags)
        elif step.kind == "update":
            client.update_endpoint(EndpointName=name, EndpointConfigName=step.target)
        elif step.kind == "weights":
            desired = [{"VariantName": each, "DesiredWeight": weight} for each, weight in step.weights.items()]
            client.update_endpoint_weights_and_capacities(EndpointName=name, DesiredWeightsAndCapacities=desired)
        else:
            client.delete_endpoint(EndpointName=name)

    # -- what is remembered, and said ----------------------------------------------------------------------------------------

    @property
    def _subject(self) -> str:
        return f"endpoint/{self.spec.name}"

    def _calls(self) -> frozenset[str]:
        return frozenset(call.key for call in CALLS.about(self._stores.control(), self._subject))

    def _note_applied(self, model: str, generation: int, config: str) -> None:
        fault.point("endpoint.applied")
        note_applied(self._stores.control(), model, generation, config)

    def _moving_words(self, seen: Seen) -> str:
        minutes = (now() - datetime.fromisoformat(seen.modified)).total_seconds() / 60
        return f"the endpoint {self.name} is {seen.status} since {seen.modified[:19]} UTC, {max(0.0, minutes):.0f} minutes"

    def _late(self, model: str, generation: int, doing: str) -> UnreachableError:
        return UnreachableError(
            f"Route {generation} of {model} is not yet in force: {doing}.",
            safe="the endpoint answers as before; no second update was sent, and AWS would refuse one.",
            hint=f"a container that answers no ping says why in CloudWatch, /aws/sagemaker/Endpoints/{self.name}; the task is "
            "tried again and waits on. AWS ends an update that hangs by itself, and goes back.",
        )

    def _undone(
        self, model: str, generation: int, route: Route, call: Document, seen: Seen | None
    ) -> GateClosed | UnreachableError:
        state = f"{seen.status}, with {seen.config} and the weights {dict(seen.weights)}" if seen is not None else "gone"
        reason = seen.reason if seen is not None and seen.reason else "nothing; its log group may"
        forward = route.challenger is not None
        kind, then = (GateClosed, "the rollout goes back") if forward else (UnreachableError, "it is tried again")
        return kind(
            f"SageMaker did not make the change of the endpoint {self.name} to route {generation} of {model}: "
            f"{call.body['step']} was taken on, and rolled back. AWS says: {reason}.",
            seen=state,
            safe="the endpoint answers with what it had before.",
            hint=f"{then}; see CloudWatch, /aws/sagemaker/Endpoints/{self.name}, and whether there are machines of "
            f"{self.spec.serving.endpoint.instance}.",
        )


def _is_busy(error: ClientError) -> bool:
    """An update while another one runs, or a create of what is there."""
    words = str(error.response.get("Error", {}).get("Message", "")).lower()
    busy = ("in-progress" in words) or ("in progress" in words) or ("already exist" in words) or ("cannot update" in words)
    return code(error) in ("ValidationException", "ResourceInUse") and busy


def open_endpoint(spec: ModelSpec, stores: Stores) -> SageMakerTarget:
    """The endpoint of a model. Asks AWS nothing yet."""
    return SageMakerTarget(spec, stores)

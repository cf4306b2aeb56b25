"""SageMaker's endpoints, as strict as SageMaker: an update takes its time, may be rolled back without a word, or hang for ever.

Time passes by looks: each DescribeEndpoint brings a change that is under way one look nearer to its end. What the *next* change
comes to is said before (`plan`). Who answers is `containers`, by default one that says its version and no more.
"""

from __future__ import annotations

import json
import re
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any, ClassVar

from tests.support.aws.endpoint_traffic import EndpointTraffic
from tests.support.aws.part import Asked, AwsError, Body, Clock, Faults, Handler, Raw, tag_list, tags_of

_INVOKE = re.compile(r"/endpoints/(?P<name>[^/]+)/invocations")
VARIANT = "x-amzn-sagemaker-target-variant"
LOOKS = 2  # that a change takes
NO_CAPACITY = "Unable to provision requested ML compute capacity due to InsufficientInstanceCapacity error."
NO_PING = "The primary container for production variant {} did not pass the ping health check."
OUTCOMES = ("done", "rolled_back", "silently_rolled_back", "stuck", "refused")


@dataclass
class Held:
    """An endpoint. `config` is the one in force; a change under way is not seen in it before its end."""

    name: str
    config: str
    tags: dict[str, str]
    status: str
    created: float
    modified: float
    weights: dict[str, float] = field(default_factory=dict)
    reason: str = ""
    change: Body | None = None  # under way: its kind, what it comes to, looks that are left


class Endpoints(EndpointTraffic):
    service: ClassVar[str] = "sagemaker"
    prefix: ClassVar[str] = "SageMaker"
    operations: ClassVar[tuple[str, ...]] = (
        "CreateModel", "DescribeModel", "DeleteModel", "CreateEndpointConfig", "DescribeEndpointConfig", "DeleteEndpointConfig",
        "CreateEndpoint", "DescribeEndpoint", "DeleteEndpoint", "UpdateEndpoint", "UpdateEndpointWeightsAndCapacities",
        "ListTags",
    )  # fmt: skip

    def __init__(self, clock: Clock, faults: Faults) -> None:
        super().__init__(clock, faults)
        self.calls: Counter[str] = Counter()
        """What changed something, by operation."""
        self._asked: dict[str, Counter[str]] = {}  # changes, by endpoint
        self.looks = LOOKS
        self._models: dict[str, Body] = {}
        self._configs: dict[str, Body] = {}
        self._held: dict[str, Held] = {}
        self._planned: dict[str, deque[tuple[str, str]]] = {}  # by endpoint; "": whichever is changed next
        self._tick = 0.0

    # -- what a test says and asks -------------------------------------------------------------------------------------------

    def plan(self, outcome: str, reason: str = "", name: str = "") -> None:
        """What the next change that is begun comes to, of any endpoint or of that one: one of OUTCOMES."""
        assert outcome in OUTCOMES, outcome
        self._planned.setdefault(name, deque()).append((outcome, reason))

    def unplan(self) -> None:
        self._planned.clear()

    def free(self, name: str) -> None:
        """Let a change that hangs end as it was asked for."""
        change = self._held[name].change
        if change is not None:
            change["outcome"], change["looks"] = "done", 0

    def give_up(self, name: str) -> bool:
        """Have a change that hangs rolled back, as AWS does in the end; whether there was one."""
        change = self._held[name].change
        if change is None or change["outcome"] != "stuck":
            return False
        change["outcome"], change["looks"] = "rolled_back", self.looks
        return True

    def settle(self, name: str) -> None:
        """Let a change that is under way come to its end, without anybody's look; one that hangs goes on hanging."""
        held = self._held.get(name)
        while held is not None and held.change is not None and held.change["outcome"] != "stuck":
            self._look(held)

    def summary(self, prefix: str) -> Body:
        """What is there under names that begin so, and what was asked of those endpoints; for a test in another process."""
        endpoints = {
            name: {
                "status": held.status,
                "weights": held.weights,
                "models": self._models_of(held),
                "asked": dict(self._asked[name]),
                "planned": len(self._planned.get(name, ())),
            }
            for name, held in self._held.items()
            if name.startswith(prefix)
        }
        kinds = {"models": self._models, "configs": self._configs}
        made = {kind: sorted(name for name in kept if name.startswith(prefix)) for kind, kept in kinds.items()}
        return {"endpoints": endpoints, **made}

    def _models_of(self, held: Held) -> dict[str, str]:
        config = self._configs[held.config]
        return {each["VariantName"]: each["ModelName"] for each in config["ProductionVariants"]}

    def forget(self, text: str) -> None:
        """Everything whose models run that image: a slot of the fault matrix has one of its own."""
        with self.lock:
            models = {name for name, body in self._models.items() if text in json.dumps(body)}
            configs = {
                name for name, body in self._configs.items()
                if models & {each["ModelName"] for each in body["ProductionVariants"]}
            }  # fmt: skip
            for kept, gone in ((self._models, models), (self._configs, configs)):
                for name in gone:
                    del kept[name]
            for name in [name for name, held in self._held.items() if held.config in configs]:
                del self._held[name]
                self._asked.pop(name, None)

    # -- models and configurations -------------------------------------------------------------------------------------------

    def create_model(self, body: Body) -> Body:
        return self._create(self._models, "model", body["ModelName"], body)

    def describe_model(self, body: Body) -> Body:
        return self._find(self._models, "model", body["ModelName"])

    def delete_model(self, body: Body) -> Body:
        self._find(self._models, "model", body["ModelName"])
        del self._models[body["ModelName"]]
        return {}

    def create_endpoint_config(self, body: Body) -> Body:
        for each in (*body["ProductionVariants"], *body.get("ShadowProductionVariants", ())):
            self._find(self._models, "model", each["ModelName"])
        if body.get("ShadowProductionVariants") and len(body["ProductionVariants"]) > 1:
            raise _invalid("Shadow variants are supported with one production variant only.")
        if not any(each.get("InitialVariantWeight", 1.0) for each in body["ProductionVariants"]):
            raise _invalid("At least one production variant must have a weight greater than 0.")
        return self._create(self._configs, "endpoint-config", body["EndpointConfigName"], body)

    def describe_endpoint_config(self, body: Body) -> Body:
        return self._find(self._configs, "endpoint-config", body["EndpointConfigName"])

    def delete_endpoint_config(self, body: Body) -> Body:
        self._find(self._configs, "endpoint-config", body["EndpointConfigName"])
        del self._configs[body["EndpointConfigName"]]
        return {}

    def _create(self, kept: dict[str, Body], kind: str, name: str, body: Body) -> Body:
        arn = self.arn(kind, name)
        if name in kept:
            raise _invalid(f'Cannot create already existing {kind} "{arn}".')
        word = {"model": "ModelArn", "endpoint-config": "EndpointConfigArn"}[kind]
        kept[name] = {**body, word: arn, "CreationTime": self._stamp()}
        self.calls[f"create {kind}"] += 1
        return {word: arn}

    def _find(self, kept: dict[str, Body], kind: str, name: str) -> Body:
        if name not in kept:
            raise _invalid(f'Could not find {kind.replace("-", " ")} "{self.arn(kind, name)}".')
        return {key: value for key, value in kept[name].items() if key != "Tags"}

    # -- the endpoint --------------------------------------------------------------------------------------------------------

    def create_endpoint(self, body: Body) -> Body:
        name, config = body["EndpointName"], body["EndpointConfigName"]
        if name in self._held:
            raise _invalid(f'Cannot create already existing endpoint "{self.arn("endpoint", name)}".')
        self._find(self._configs, "endpoint-config", config)
        at = self._stamp()
        held = self._held[name] = Held(name, config, tags_of(body), "Creating", at, at)
        self._begin(held, "create", config=config)
        return {"EndpointArn": self.arn("endpoint", name)}

    def update_endpoint(self, body: Body) -> Body:
        held, config = self._of(body["EndpointName"]), body["EndpointConfigName"]
        self._require_still(held)
        self._find(self._configs, "endpoint-config", config)
        if config == held.config:
            raise _invalid("Cannot update endpoint with the same endpoint configuration name.")
        self._begin(held, "update", config=config)
        return {"EndpointArn": self.arn("endpoint", held.name)}

    def update_endpoint_weights_and_capacities(self, body: Body) -> Body:
        held = self._of(body["EndpointName"])
        self._require_still(held)
        asked = {each["VariantName"]: each["DesiredWeight"] for each in body["DesiredWeightsAndCapacities"]}
        if unknown := asked.keys() - held.weights.keys():
            raise _invalid(f"Variants {sorted(unknown)} do not exist in the endpoint.")
        if not any({**held.weights, **asked}.values()):
            raise _invalid("At least one variant must have a weight greater than 0.")
        self._begin(held, "weights", weights={**held.weights, **asked})
        return {"EndpointArn": self.arn("endpoint", held.name)}

    def delete_endpoint(self, body: Body) -> Body:
        held = self._of(body["EndpointName"])
        if held.status in ("Creating", "Updating", "RollingBack"):
            raise _invalid(f'Cannot update in-progress endpoint "{self.arn("endpoint", held.name)}".')
        del self._held[held.name]
        self.calls["delete"] += 1
        return {}

    def describe_endpoint(self, body: Body) -> Body:
        held = self._of(body["EndpointName"])
        self._look(held)
        shown: Body = {
            "EndpointName": held.name, "EndpointArn": self.arn("endpoint", held.name), "EndpointConfigName": held.config,
            "EndpointStatus": held.status, "CreationTime": held.created, "LastModifiedTime": held.modified,
        }  # fmt: skip
        if held.reason:
            shown["FailureReason"] = held.reason
        if held.status not in ("Creating", "Failed"):
            shown |= self._variants(held)
        if held.change is not None and held.change["kind"] == "update":
            shown["PendingDeploymentSummary"] = {"EndpointConfigName": held.change["config"]}
        return shown

    def _variants(self, held: Held) -> Body:
        config = self._configs[held.config]
        wanted = held.weights
        if held.change is not None and held.change["kind"] == "weights":
            wanted = held.change["weights"]
        shown = {"ProductionVariants": [
            {"VariantName": name, "CurrentWeight": weight, "DesiredWeight": wanted[name], "CurrentInstanceCount": 1,
             "DesiredInstanceCount": 1}
            for name, weight in held.weights.items()
        ]}  # fmt: skip
        if shadows := config.get("ShadowProductionVariants"):
            shown["ShadowProductionVariants"] = [
                {"VariantName": each["VariantName"], "CurrentWeight": each["InitialVariantWeight"], "CurrentInstanceCount": 1}
                for each in shadows
            ]
        return shown

    def list_tags(self, body: Body) -> Body | None:
        kind, _, name = body["ResourceArn"].rpartition(":")[2].partition("/")
        kept = {"model": self._models, "endpoint-config": self._configs}.get(kind, {})
        if kind == "endpoint" and name in self._held:
            return {"Tags": tag_list(self._held[name].tags)}
        return {"Tags": kept[name].get("Tags", [])} if name in kept else None

    def _of(self, name: str) -> Held:
        if name not in self._held:
            raise _invalid(f'Could not find endpoint "{self.arn("endpoint", name)}".')
        return self._held[name]

    def _require_still(self, held: Held) -> None:
        if held.status != "InService":
            raise _invalid(f'Cannot update in-progress endpoint "{self.arn("endpoint", held.name)}".')

    def _begin(self, held: Held, kind: str, **more: Any) -> None:
        self.calls[kind] += 1
        self._asked.setdefault(held.name, Counter())[kind] += 1
        planned = self._planned.get(held.name) or self._planned.get("")
        outcome, reason = planned.popleft() if planned else ("done", "")
        held.change = {"kind": kind, "outcome": outcome, "said": reason, "looks": self.looks, **more}
        held.status = "Creating" if kind == "create" else "Updating"
        held.reason, held.modified = "", self._stamp()
        if outcome == "refused":  # as AWS does where it finds at once that it cannot
            held.change["looks"] = 0

    def _look(self, held: Held) -> None:
        change = held.change
        if change is None or change["outcome"] == "stuck":
            return
        change["looks"] -= 1
        if change["looks"] > 0:
            held.status = "RollingBack" if change["looks"] == 1 and change["outcome"] != "done" else held.status
            return
        held.change, held.modified = None, self._stamp()
        if change["outcome"] != "done":
            held.status = "Failed" if change["kind"] == "create" else "InService"
            held.reason = "" if change["outcome"] == "silently_rolled_back" else change["said"] or NO_CAPACITY
            return
        held.status = "InService"
        if change["kind"] == "weights":
            held.weights = dict(change["weights"])
        else:
            held.config = change["config"]
            variants = self._configs[held.config]["ProductionVariants"]
            held.weights = {each["VariantName"]: each.get("InitialVariantWeight", 1.0) for each in variants}

    def _stamp(self) -> float:
        """AWS's clock in seconds, never twice the same: it keeps milliseconds."""
        self._tick += 0.001
        return self.clock.now().timestamp() + self._tick

    # -- invocations ---------------------------------------------------------------------------------------------------------

    def takes(self, path: str) -> bool:
        return _INVOKE.fullmatch(path) is not None

    def handler(self, asked: Asked) -> Handler | None:
        return super().handler(asked) if asked.target else None

    def answer(self, asked: Asked) -> Body | Raw | None:
        named = None if asked.target else _INVOKE.fullmatch(asked.path)
        return super().answer(asked) if named is None else self._invoke(named["name"], asked)

    def _invoke(self, name: str, asked: Asked) -> Raw:
        self.faults.check("InvokeEndpoint")
        with self.lock:
            held = self._held.get(name)
            if held is None or held.status in ("Creating", "Failed"):
                return _error(400, "ValidationError", f"Endpoint {name} of account not found.")
            variant = asked.headers.get(VARIANT, "") or self._drawn(held)
            config = self._configs[held.config]
            every = (*config["ProductionVariants"], *config.get("ShadowProductionVariants", ()))
            models = {each["VariantName"]: each["ModelName"] for each in every}
            if variant not in held.weights:
                return _error(400, "ValidationError", f"Variant {variant} is not found for Endpoint {name}.")
            self.invoked[variant] += 1
            copies = [each["VariantName"] for each in config.get("ShadowProductionVariants", ())]
        answered = self.ask(self._environment(models[variant]), asked)
        for copy in copies:
            self.invoked[copy] += 1
            self.ask(self._environment(models[copy]), asked)
        self.capture(held.name, config, variant, asked, answered)
        if answered.status >= 400:
            self.failed[variant] += 1
            words = answered.body.decode()[:500]
            said = f'Received server error ({answered.status}) from {variant} with message "{words}".'
            return _error(424, "ModelError", said, OriginalStatusCode=answered.status, OriginalMessage=words)
        return Raw(200, {"Content-Type": "application/json", "x-Amzn-Invoked-Production-Variant": variant, **answered.headers},
                   answered.body)  # fmt: skip

    def _environment(self, model: str) -> dict[str, str]:
        return dict(self._models[model]["PrimaryContainer"].get("Environment", {}))

    def _drawn(self, held: Held) -> str:
        return self._random.choices(list(held.weights), list(held.weights.values()))[0]


def _invalid(message: str) -> AwsError:
    return AwsError("ValidationException", message)


def _error(status: int, code: str, message: str, **more: Any) -> Raw:
    body = json.dumps({"__type": code, "message": message, "Message": message, **more}).encode()
    return Raw(status, {"Content-Type": "application/json", "x-amzn-errortype": code}, body)

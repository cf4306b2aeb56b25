"""What the CloudFormation stacks of infra/aws say of themselves: their outputs, and the settings among them.

An output whose name begins with Slipstream or Aws is a setting in CloudFormation's letters: `SlipstreamRoot` is SLIPSTREAM_ROOT.
`SecretsPrefix` becomes the two variables of Airflow's secrets backend, of which the gateway and commands read connections, too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from botocore.exceptions import ClientError

from include.backends.aws.errors import code, reaching
from include.core.errors import SpecError
from include.core.ports import AwsAccess

PARTS = ("data", "services", "broker", "jobs", "access", "outside")
"""The stacks of an environment, in the order in which they are made: `<name>-<part>`, each from `infra/aws/<part>.yaml`."""

SECRETS = "SecretsPrefix"
BACKEND = "airflow.providers.amazon.aws.secrets.secrets_manager.SecretsManagerBackend"
_SETTING = re.compile(r"(Slipstream|Aws)[A-Z]\w*")
_WORD = re.compile(r"[A-Z][a-z0-9]*")


def outputs(aws: AwsAccess, name: str) -> dict[str, str]:
    """The outputs of all of an environment's stacks, by their names. `name`: such as `slipstream-staging`.

    Raises SpecError where none of the stacks is there; UnreachableError and PermanentError of AWS's own.
    """
    found: dict[str, str] = {}
    there = False
    for part in PARTS:
        with reaching(f"the stack {name}-{part}", safe="nothing was changed."):
            try:
                stacks = aws.client("cloudformation").describe_stacks(StackName=f"{name}-{part}")["Stacks"]
            except ClientError as error:
                if code(error) == "ValidationError" and "does not exist" in str(error):
                    continue
                raise
        there = True
        found.update({each["OutputKey"]: each["OutputValue"] for each in stacks[0].get("Outputs", ())})
    if not there:
        raise SpecError(
            f"There is no stack of {name} in {aws.region or 'this region'}.",
            seen=[f"{name}-{part}" for part in PARTS],
            safe="nothing was changed.",
            hint="name what stands before -data, such as slipstream-staging; docs/aws.md says how the stacks are made.",
        )
    return found


def is_setting(output: str) -> bool:
    return _SETTING.fullmatch(output) is not None


def settings_of(outputs: Mapping[str, str]) -> dict[str, str]:
    """The environment variables that the outputs say, sorted by name. None of them is a secret."""
    said = {"_".join(_WORD.findall(key)).upper(): value for key, value in outputs.items() if is_setting(key)}
    if prefix := outputs.get(SECRETS):
        said["AIRFLOW__SECRETS__BACKEND"] = BACKEND
        said["AIRFLOW__SECRETS__BACKEND_KWARGS"] = json.dumps({"connections_prefix": prefix, "variables_prefix": None})
    return dict(sorted(said.items()))

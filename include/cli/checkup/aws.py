"""`slipstream doctor --aws`: whether what the settings name on AWS is there, is ours, and is set up as infra/aws makes it.

Each check is of one thing. What this login may not look at is a warning: it may still be all that the work needs.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from functools import partial

from include.backends.aws import looked
from include.backends.aws.errors import is_denied
from include.cli.checkup.finding import Check, Finding, ok, problem, warning
from include.cli.context import CliContext
from include.core import environment_aws
from include.core.catalog import load_spec, model_names
from include.core.errors import SlipstreamError, one_line

TEMPLATE = "infra/aws/data.yaml"
# As include/backends/dynamodb keeps rows; infra/aws/data.yaml makes the table so.
KEYS, EXPIRES = (("entity", "RANGE"), ("view", "HASH")), "expires"
_IMAGE = re.compile(r"\d{12}\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com(?:\.cn)?/(?P<repository>[^@:]+)(?P<at>@sha256:[0-9a-f]{64})?")


def aws_checks(context: CliContext) -> dict[str, Check]:
    """By what they are called. Those that the settings give no reason for say so in a line, or not at all."""
    asked: dict[str, Callable[[CliContext], Iterator[Finding]]] = {
        "aws login": _login,
        "aws bucket": _bucket,
        "aws online store": _table,
        "aws queue": _queues,
        "aws secrets": _secrets,
        "aws jobs": _jobs,
    }
    return {name: partial(_looked_at, name, check, context) for name, check in asked.items()}


def _looked_at(name: str, check: Callable[[CliContext], Iterator[Finding]], context: CliContext) -> Iterator[Finding]:
    try:
        yield from check(context)
    except SlipstreamError as error:
        if error.__cause__ is not None and is_denied(error.__cause__):
            hint = "look with a login that may, or give this one the policy `Doctor` of infra/aws/access.yaml."
            yield warning(name, f"could not be looked at: {one_line(error.what)}", hint)
        else:
            yield problem(name, one_line(error.what), one_line(error.hint))


def _login(context: CliContext) -> Iterator[Finding]:
    arn = looked.caller(context.aws)
    region = context.aws.region
    if not region:
        yield problem("aws login", f"{arn}, and no region.", "set AWS_DEFAULT_REGION, or region_name in the connection's extra.")
    elif arn.endswith(":root"):
        yield warning("aws login", f"the account's root user, in {region}.", "work with a role: infra/aws/access.yaml has them.")
    else:
        yield ok("aws login", f"{arn} in {region}.")


def _bucket(context: CliContext) -> Iterator[Finding]:
    root = context.settings.root
    if not root.startswith("s3://"):
        yield ok("aws bucket", "the storage root is not on S3.")
        return
    name = root.removeprefix("s3://").partition("/")[0]
    owner = environment_aws.S3_BUCKET_OWNER.read(context.settings.environ)
    found = looked.bucket(context.aws, name, owner)
    lacking = {
        "it keeps no earlier versions": found.versioned,
        "it is not encrypted by a KMS key": found.encryption == "aws:kms",
        "public access is not blocked": found.private,
        "SLIPSTREAM_S3_BUCKET_OWNER is not set, so one of another account would be taken": bool(owner),
    }
    wrong = [words for words, good in lacking.items() if not good]
    if wrong:
        yield warning("aws bucket", f"{name}: {'; '.join(wrong)}.", f"set it up as {TEMPLATE} does.")
    else:
        yield ok("aws bucket", f"{name} of {owner} is versioned, encrypted and private.")
    yield from _conditional(context)


def _conditional(context: CliContext) -> Iterator[Finding]:
    """Two exclusive creates of one object, which is deleted again: the second must be refused."""
    folder = f".doctor-{secrets.token_hex(8)}"
    try:
        first, second = (context.storage.create(f"{folder}/once", b"") for _ in range(2))
    finally:
        context.storage.delete(folder)
    if first and not second:
        yield ok("aws bucket", "of two who create one object, one is told that it was first.")
    else:
        yield problem("aws bucket", "two who create one object are both told they were first.", "do not use this store.")


def _table(context: CliContext) -> Iterator[Finding]:
    scheme, _, rest = context.settings.online_url.partition("://")
    if scheme != "dynamodb":
        yield ok("aws online store", "it is not in DynamoDB.")
        return
    name = rest.partition("?")[0].rstrip("/")
    found = looked.table(context.aws, name)
    if found.keys != KEYS:
        yield problem("aws online store", f"{name} has other keys: {dict(found.keys)}, not {dict(KEYS)}.", "name another table.")
        return
    if found.status not in ("ACTIVE", "UPDATING"):
        yield problem("aws online store", f"{name} is {found.status}.", "wait until it is ACTIVE.")
        return
    lacking = {f"what has expired is not removed (time to live by `{EXPIRES}`)": found.expires == EXPIRES}
    wrong = [words for words, good in lacking.items() if not good]
    billed = "on demand" if found.on_demand else "by provisioned capacity"
    kept = "can be put back to any second" if found.restorable else "is not backed up: a nightly materialization fills it again"
    if wrong:
        yield warning("aws online store", f"{name}: {'; '.join(wrong)}.", f"turn it on, as {TEMPLATE} does.")
    else:
        yield ok("aws online store", f"{name} has our keys, forgets what has expired, is paid {billed} and {kept}.")


def _queues(context: CliContext) -> Iterator[Finding]:
    urls: set[str] = set()
    for model in model_names(context.settings.models):
        try:
            queue = load_spec(model, context.settings.models).triggers.queue
        except SlipstreamError:
            continue  # the check of models tells it
        urls |= {queue} if queue else set()
    if not urls:
        yield ok("aws queue", "no model's spec names one.")
    for url in sorted(urls):
        found = looked.queue(context.aws, url)
        if found.dead_letters:
            yield ok("aws queue", f"{url} answers; {found.waiting} messages wait.")
        else:
            hint = f"give it a redrive policy, as {TEMPLATE} does: a message that nobody can store comes for ever else."
            yield warning("aws queue", f"{url} has no queue for what nobody can store.", hint)


def _secrets(context: CliContext) -> Iterator[Finding]:
    environ: Mapping[str, str] = context.settings.environ
    if not environment_aws.SECRETS_BACKEND.read(environ).endswith("SecretsManagerBackend"):
        yield ok("aws secrets", "connections are not in Secrets Manager.")
        return
    try:
        given = json.loads(environment_aws.SECRETS_KWARGS.read(environ) or "{}")
        prefix = str(given.get("connections_prefix") or "airflow/connections")
    except (ValueError, AttributeError):
        yield problem("aws secrets", f"{environment_aws.SECRETS_KWARGS.name} is no JSON object.", "set it as Airflow's docs say.")
        return
    looked.answers_for_secrets(context.aws, prefix)
    yield ok("aws secrets", f"Secrets Manager answers for {prefix}/.")


def _jobs(context: CliContext) -> Iterator[Finding]:
    environ = context.settings.environ
    role, image = (each.read(environ) for each in (environment_aws.SAGEMAKER_ROLE, environment_aws.SAGEMAKER_IMAGE))
    if context.settings.job_backend != "sagemaker" and not role and not image:
        yield ok("aws jobs", "none run on SageMaker.")
        return
    for variable, value in ((environment_aws.SAGEMAKER_ROLE, role), (environment_aws.SAGEMAKER_IMAGE, image)):
        if not value:
            yield problem("aws jobs", f"{variable.name} is not set.", "docs/aws.md says where it comes from.")
    if role and looked.trusts_sagemaker(context.aws, role):
        yield ok("aws jobs", f"SageMaker may take on {role}.")
    elif role:
        yield problem("aws jobs", f"SageMaker may not take on {role}.", "let it trust SageMaker: infra/aws/jobs.yaml.")
    if image:
        yield _image(context, image)


def _image(context: CliContext, image: str) -> Finding:
    named = _IMAGE.fullmatch(image)
    if named is None or not named["at"]:
        hint = "name it as ACCOUNT.dkr.ecr.REGION.amazonaws.com/NAME@sha256:DIGEST."
        return problem("aws jobs", f"{image} is no image of ECR by its digest.", hint)
    if looked.has_image(context.aws, named["repository"], named["at"].removeprefix("@")):
        return ok("aws jobs", f"the image {image} is there.")
    return problem("aws jobs", f"the image {image} is not there.", "push it, and set SLIPSTREAM_SAGEMAKER_IMAGE to its digest.")

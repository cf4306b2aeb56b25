"""The calls of AWS in the sources, as IAM's actions: read from the syntax tree, so that a new call is seen when it is written.

A module says its service where it opens a client (`client("sqs")`); one that is handed a client is in HANDED.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import botocore.session
from botocore import xform_name

ROOT = Path(__file__).parents[2]
VENDORS = tuple(f"include/backends/{name}/" for name in ("aws", "s3", "dynamodb", "sagemaker", "warehouse"))
BY_NAME = ("call", "pages", "get_paginator")  # methods that are handed an operation's name

# Modules that are handed a client, or have it from a neighbour.
HANDED = {
    "include/backends/aws/secrets.py": ("secretsmanager", "ssm"),
    "include/backends/dynamodb/": ("dynamodb",),
    "include/backends/s3/": ("s3",),
    "include/backends/sagemaker/cloudwatch.py": ("logs",),
    "include/backends/sagemaker/endpoint_metrics.py": ("cloudwatch",),
    "include/backends/sagemaker/endpoint_questions.py": ("sagemaker-runtime",),
    "include/backends/sagemaker/": ("sagemaker",),
    "operators/watchers.py": ("sqs",),
    "operators/queue_watcher.py": ("sqs",),
}
PREFIXES = {"sagemaker-runtime": "sagemaker"}  # of actions, where it is not the service's name

# Operations whose actions have another name. The service authorization reference has them all.
ACTIONS = {
    "s3:AbortMultipartUpload": ("s3:AbortMultipartUpload",),
    "s3:DeleteObjects": ("s3:DeleteObject",),
    "s3:DownloadFile": ("s3:GetObject",),
    "s3:GetBucketEncryption": ("s3:GetEncryptionConfiguration",),
    "s3:GetPublicAccessBlock": ("s3:GetBucketPublicAccessBlock",),
    "s3:HeadBucket": ("s3:ListBucket",),
    "s3:HeadObject": ("s3:GetObject",),
    "s3:ListMultipartUploads": ("s3:ListBucketMultipartUploads",),
    "s3:ListObjectsV2": ("s3:ListBucket",),
    "s3:UploadFile": ("s3:PutObject", "s3:AbortMultipartUpload"),
    "sqs:DeleteMessageBatch": ("sqs:DeleteMessage",),
    "redshift-data:ExecuteStatement": ("redshift-data:ExecuteStatement", "redshift-serverless:GetCredentials"),
    "emr-serverless:StartJobRun": ("emr-serverless:StartJobRun", "emr-serverless:TagResource"),
}
JOBS = ("training", "processing")
TRANSFERS = {"upload_file": "UploadFile", "download_file": "DownloadFile"}  # boto3's own, of several calls


@cache
def operations(service: str) -> dict[str, str]:
    """A service's operations by the names of their methods."""
    named = {xform_name(each): each for each in botocore.session.get_session().get_service_model(service).operation_names}
    return {**named, **TRANSFERS} if service == "s3" else named


def modules() -> list[str]:
    """Sources that may call AWS, relative to the project."""
    files = [*ROOT.glob("include/**/*.py"), *ROOT.glob("operators/*.py")]
    names = sorted(str(each.relative_to(ROOT)) for each in files)
    return [each for each in names if each.startswith(VENDORS) or _handed(each)]


def calls(module: str) -> set[str]:
    """IAM's actions of the calls in a module."""
    tree = ast.parse((ROOT / module).read_text())
    services = {*_opened(tree), *_handed(module)}
    found: set[str] = set()
    for name in _named(tree):
        for service in services:
            if operation := operations(service).get(name):
                action = f"{PREFIXES.get(service, service)}:{operation}"
                found.update(ACTIONS.get(action, (action,)))
    return found


def _handed(module: str) -> tuple[str, ...]:
    return next((services for start, services in HANDED.items() if module.startswith(start)), ())


def _opened(tree: ast.AST) -> Iterator[str]:
    for each in ast.walk(tree):
        if isinstance(each, ast.Call) and isinstance(each.func, ast.Attribute) and each.func.attr == "client" and each.args:
            service = each.args[0]
            if isinstance(service, ast.Constant) and isinstance(service.value, str):
                yield service.value


def _named(tree: ast.AST) -> Iterator[str]:
    """Names of methods, also of those that another one is to call; and those of operations that are handed over by name."""
    for each in ast.walk(tree):
        if isinstance(each, ast.Attribute):
            yield each.attr
        elif isinstance(each, ast.Call) and isinstance(each.func, ast.Attribute) and each.func.attr in BY_NAME:
            yield from _texts(each.args)


def _texts(arguments: list[ast.expr]) -> Iterator[str]:
    """The names in arguments. Of SageMaker's jobs the kind is put in later: `call(client, "stop")`, `f"list_{kind}_jobs"`."""
    for argument in arguments:
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
            yield argument.value
            yield from (f"{argument.value}_{kind}_job" for kind in JOBS)
        elif isinstance(argument, ast.JoinedStr) and isinstance(first := argument.values[0], ast.Constant):
            yield from (f"{first.value!s}{kind}_jobs" for kind in JOBS)

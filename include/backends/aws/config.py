"""What every client of AWS has, whatever the connection: times, tries, certificates, and where AWS is by another environment."""

from __future__ import annotations

from collections.abc import Mapping

from botocore.config import Config

from include.core import environment, environment_aws

# Four tries after the first, up to 1, 2, 4 and 8 seconds apart. A longer throttling is the kernel's to wait for.
CONFIG = Config(retries={"mode": "standard", "max_attempts": 4}, connect_timeout=5, read_timeout=60, max_pool_connections=32)


def authorities() -> str | None:
    """The file of the authorities' certificates, where boto3 does not find it by itself."""
    return environment_aws.AWS_CA_BUNDLE.read() or environment.CA_BUNDLE.read() or None


def elsewhere(environ: Mapping[str, str] | None = None) -> str | None:
    """Where AWS is by an environment that is not this process's own: in its own boto3 looks itself, first for the service's."""
    given = environment_aws.AWS_ENDPOINT_URL.read(environ)
    return given if given != environment_aws.AWS_ENDPOINT_URL.read() else None

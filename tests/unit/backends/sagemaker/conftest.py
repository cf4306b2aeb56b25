"""The fake of AWS, and a model whose target is an endpoint of it."""

from __future__ import annotations

from tests.support.aws.followed import access, aws, followed

__all__ = ["access", "aws", "followed"]

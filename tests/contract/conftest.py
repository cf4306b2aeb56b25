"""What several suites use: S3 as moto's server has it."""

from __future__ import annotations

from tests.support.s3_server import s3_address as s3_address
from tests.support.s3_server import s3_client as s3_client

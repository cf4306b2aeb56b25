"""The body of a test's job: `python -m tests.contract.job_body CODE` runs the code it is given."""

from __future__ import annotations

import sys

if __name__ == "__main__":
    exec(sys.argv[1])

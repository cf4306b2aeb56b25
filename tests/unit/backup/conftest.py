"""The platform that is carried away, and the machine it is carried to."""

from __future__ import annotations

from tests.support.carried import lived as lived
from tests.support.carried import machine as machine
from tests.support.carried import other as other

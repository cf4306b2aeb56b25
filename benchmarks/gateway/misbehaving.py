"""The gateway with a shadow that misbehaves: BENCH_SHADOW=sleeps (a second a request) or raises (on each)."""

from __future__ import annotations

import os
import sys
import time
from unittest.mock import patch

from include.gateway import host, shadow
from include.model_contract.model import Floats, Model, open_model

COMMAND = (sys.executable, "-m", "benchmarks.gateway.misbehaving", "shadow")


class Misbehaving:
    """Warm-up passes: a model that never answers would be refused before traffic."""

    def __init__(self, scorer: Model) -> None:
        self.inputs = scorer.inputs
        self._scorer, self._born = scorer, time.monotonic()

    def score(self, features: Floats) -> Floats:
        if time.monotonic() - self._born < 1.0:
            return self._scorer.score(features)
        if os.environ["BENCH_SHADOW"] == "raises":
            raise RuntimeError("this shadow never answers")
        time.sleep(len(features))
        return self._scorer.score(features)


def main() -> int:
    if sys.argv[1:2] != ["shadow"]:
        return host.main(shadow_command=COMMAND)
    from include.serving.models import loaded_model

    with patch.object(loaded_model, "open_model", lambda path: Misbehaving(open_model(path))):
        return shadow.main(sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())

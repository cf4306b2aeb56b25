"""What the tensors of an explanation are called in the Open Inference Protocol: for who gives them, and who reads them."""

from __future__ import annotations

CONTRIBUTIONS, BASE, OF, MISSING = (f"explanation.{name}" for name in ("contributions", "base", "of", "missing"))
OUTPUTS = (CONTRIBUTIONS, BASE, OF, MISSING)

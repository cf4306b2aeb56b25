"""Where a version can come from beside being trained here, or derived from one that was."""

from __future__ import annotations

from typing import Final, cast

from include.versions.record import Origin

# The type stands in record.py, whose code is part of what a day's features are computed by: one word more in it, and every
# published day would have to be computed again.
IMPORTED: Final = cast("Origin", "imported")  # trained elsewhere, and registered as it came

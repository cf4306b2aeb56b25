"""`python -m include.gateway`."""

from __future__ import annotations

from include.gateway.host import main

if __name__ == "__main__":
    raise SystemExit(main())

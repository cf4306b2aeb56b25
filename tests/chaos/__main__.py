"""`python -m tests.chaos --seeds N`: the fault matrix."""

from tests.chaos.matrix import main

raise SystemExit(main())

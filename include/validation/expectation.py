"""Where `Expectation` was before 0.2: models that were written then import it from here. It is in include/row_rules now."""

from include.row_rules.expectation import Expectation as Expectation

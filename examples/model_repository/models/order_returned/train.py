"""How it learns: as all our models do."""

from .._retail.learn import fit_logistic as fit

__all__ = ["fit"]

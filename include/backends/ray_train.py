"""Where `fit_lightning` was before 0.2: models that were written then import it from here. It is in include/backends/ray now."""

from include.backends.ray.train import fit_lightning as fit_lightning

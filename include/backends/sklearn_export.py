"""Where `export_classifier` was before 0.2: models that were written then import it from here. It is in backends/sklearn now."""

from include.backends.sklearn.export import export_classifier as export_classifier

"""Working on a model by hand, without Airflow: `from include.notebook import Model`."""

from include.notebook.comparison import Comparison
from include.notebook.model import Model
from include.notebook.results import Evaluation, Fit, TrainingSet

__all__ = ["Comparison", "Evaluation", "Fit", "Model", "TrainingSet"]

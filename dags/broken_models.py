"""Makes no Airflow DAG: fails with the errors of the models that cannot be loaded, so that Airflow's import errors name them.

Airflow holds a file's import error against every DAG of that file. In a file of its own it takes no other model's DAGs away.
"""

from include.core.settings import Settings
from operators.catalog import dags_of_models

dags_of_models(Settings.from_env().models).raise_broken()

"""Makes no Airflow DAG: fails with the errors of the models that cannot be loaded, so that Airflow's import errors name them.

Airflow holds a file's import error against every DAG of that file. In a file of its own it takes no other model's DAGs away.
"""

from operators.catalog import dags_of_models, platform_places

dags_of_models(platform_places()).raise_broken()

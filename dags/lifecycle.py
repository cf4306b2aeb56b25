"""Every model's Airflow DAGs, from its spec. Adding a folder under include/models/ is all it takes.

Airflow's discovery reads only files that contain both the words "airflow" and "dag": this sentence is load-bearing.
A model that cannot be loaded costs its own DAGs alone: dags/broken_models.py names it.
"""

from include.core.settings import Settings
from operators.catalog import dags_of_models

for _dag in dags_of_models(Settings.from_env().models).dags:
    globals()[_dag.dag_id] = _dag

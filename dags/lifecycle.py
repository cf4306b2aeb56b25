"""Every model's Airflow DAGs, from its spec. Adding a folder under include/models/, or in another place of SLIPSTREAM_MODELS, is
all it takes.

Airflow's discovery reads only files that contain both the words "airflow" and "dag": this sentence is load-bearing.
A model that cannot be loaded costs its own DAGs alone: dags/broken_models.py names it.
"""

from operators.catalog import dags_of_models, platform_places

for _dag in dags_of_models(platform_places()).dags:
    globals()[_dag.dag_id] = _dag

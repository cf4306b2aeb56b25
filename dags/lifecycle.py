"""Every model's Airflow DAGs, from its spec. Adding a folder under include/models/ is all it takes.

Airflow's discovery reads only files that contain both the words "airflow" and "dag": this sentence is load-bearing.
"""

from include.core.catalog import load_specs
from include.core.settings import Settings
from operators.lifecycle import lifecycle_dags

for _spec in load_specs(Settings.from_env().models):
    for _dag in lifecycle_dags(_spec):
        globals()[_dag.dag_id] = _dag

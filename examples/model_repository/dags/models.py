"""The Airflow DAGs of this repository's models, where it is a DAG bundle of its own. (Airflow reads files with the word dag.)"""

from pathlib import Path

from operators.catalog import dags_of_models

globals().update(dags_of_models(str(Path(__file__).resolve().parents[1] / "models")).by_id)

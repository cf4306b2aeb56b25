"""The DAG of examples/dags/weekly.py for the model in examples/models: needs SLIPSTREAM_MODELS=examples.models. For Airflow."""

from examples.dags.weekly import weekly_dag

late_departure_weekly = weekly_dag("late_departure")

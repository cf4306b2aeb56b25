"""The reconciler's Airflow DAG: one for the installation."""

from operators.reconcile import reconcile_dag

slipstream_reconcile = reconcile_dag()

"""The Airflow DAG of the installation's audit chain: verified and sealed every week."""

from operators.audit import audit_dag

slipstream_audit = audit_dag()

"""The Airflow DAG of the installation's audit chain: verified, sealed and anchored every day."""

from operators.audit import audit_dag

slipstream_audit = audit_dag()

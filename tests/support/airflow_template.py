"""The name under which a session's processes find the home that all its Airflows are copied from."""

TEMPLATE = "TESTS_AIRFLOW_HOME_TEMPLATE"

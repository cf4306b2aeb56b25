-- After docker/secrets/roles.sql: a database for each role, which no other role may open.
CREATE DATABASE airflow OWNER airflow;
CREATE DATABASE celery OWNER celery;
CREATE DATABASE mlflow OWNER mlflow;
CREATE DATABASE mlflow_auth OWNER mlflow_auth;
CREATE DATABASE slipstream OWNER slipstream;
REVOKE ALL ON DATABASE airflow, celery, mlflow, mlflow_auth, slipstream, postgres FROM PUBLIC;
GRANT CONNECT ON DATABASE airflow TO airflow_dags;

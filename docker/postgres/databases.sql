-- The image makes the database of its user, slipstream, by itself.
CREATE DATABASE airflow;
CREATE DATABASE mlflow;
CREATE DATABASE mlflow_auth;

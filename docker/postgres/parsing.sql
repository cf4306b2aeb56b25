-- After every migration, as the role airflow: what the DAG processor may do with Airflow's tables. It imports authors' code, so
-- it sees neither connections, nor variables, nor what tasks handed to each other.
GRANT USAGE ON SCHEMA public TO airflow_dags;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO airflow_dags;
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO airflow_dags;
REVOKE ALL ON TABLE connection, variable, xcom, connection_test_request FROM airflow_dags;

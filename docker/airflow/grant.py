"""After every migration, as the role airflow: what the DAG processor's role may do (parsing.sql beside this file)."""

import os
from pathlib import Path

import sqlalchemy

with sqlalchemy.create_engine(os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"]).begin() as connection:
    connection.exec_driver_sql(Path(__file__).with_name("parsing.sql").read_text())

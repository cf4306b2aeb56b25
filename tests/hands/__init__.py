"""Everything an operator's hand can do in Airflow's UI, to each DAG at each task, under a real scheduler."""

"""Working on a model by hand, without Airflow: `from include.notebook import Model`."""

"""Three years of features taken in as one range, through a real Airflow."""

"""The environment variables of AWS: a part of the list that is include/core/environment.py."""

from __future__ import annotations

from include.core.variable import Variable, named

AWS_CONN_ID = named("AWS_CONN_ID", "name", "The Airflow connection that has the login of AWS.", "aws_default")
AWS_CA_BUNDLE = Variable("AWS_CA_BUNDLE", "file", "Certificates of private authorities for AWS alone, before any other.")
AWS_ENDPOINT_URL = Variable("AWS_ENDPOINT_URL", "address", "Where AWS's services are, if the connection does not say.")
AWS_REGION = Variable("AWS_REGION", "name", "The region, if the connection does not say.")
AWS_DEFAULT_REGION = Variable("AWS_DEFAULT_REGION", "name", "The same, where AWS_REGION is not set.")

GROUP = (AWS_CONN_ID, AWS_CA_BUNDLE, AWS_ENDPOINT_URL, AWS_REGION, AWS_DEFAULT_REGION)

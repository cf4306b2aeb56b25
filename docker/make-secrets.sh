#!/usr/bin/env bash
# Generate every password and key of docker/compose.yaml into docker/secrets/ (0700), once. There is no default.
set -euo pipefail
cd "$(dirname "$0")"
umask 077
if [ -d secrets ]; then echo 'docker/secrets exists: left as it is'; exit 0; fi
work="$(mktemp -d ./secrets.XXXXXX)"; trap 'rm -rf "$work"' EXIT

token() { python3 -c 'import secrets; print(secrets.token_urlsafe(32), end="")'; }
fernet() { python3 -c 'import base64, os; print(base64.urlsafe_b64encode(os.urandom(32)).decode(), end="")'; }

postgres="$(token)"; redis="$(token)"; mlflow="$(token)"; gateway="$(token)"; ray="$(token)"
printf %s "$postgres" > "$work/postgres_password"
printf %s "$redis" > "$work/redis_password"
token > "$work/grafana_password"
printf %s "$ray" > "$work/ray_token"
printf %s "$gateway" > "$work/gateway_token"
printf '{"admin": "%s", "op": "%s", "viewer": "%s"}' "$(token)" "$(token)" "$(token)" > "$work/airflow_passwords.json"

database() { printf 'postgresql+psycopg2://slipstream:%s@postgres:5432/%s' "$postgres" "$1"; }

cat > "$work/airflow.env" <<EOF
AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=$(database airflow)
AIRFLOW__CELERY__RESULT_BACKEND=db+postgresql://slipstream:$postgres@postgres:5432/airflow
AIRFLOW__CELERY__BROKER_URL=redis://:$redis@redis:6379/0
AIRFLOW__CORE__FERNET_KEY=$(fernet)
AIRFLOW__API__SECRET_KEY=$(token)
AIRFLOW__API_AUTH__JWT_SECRET=$(token)$(token)
AIRFLOW_CONN_SLIPSTREAM_MLFLOW=http://admin:$mlflow@mlflow:5500
AIRFLOW_CONN_SLIPSTREAM_RAY=http://:$ray@ray:8265
AIRFLOW_CONN_SLIPSTREAM_GATEWAY=http://:$gateway@gateway:8500
EOF
cat > "$work/mlflow.env" <<EOF
MLFLOW_BACKEND_STORE_URI=$(database mlflow)
MLFLOW_AUTH_ADMIN_PASSWORD=$mlflow
MLFLOW_FLASK_SERVER_SECRET_KEY=$(token)
EOF
cat > "$work/mlflow_auth.ini" <<EOF
[mlflow]
default_permission = READ
database_uri = $(database mlflow_auth)
admin_username = admin
authorization_function = mlflow.server.auth:authenticate_request_basic_auth
EOF
# What every process of Slipstream needs to reach the shared stores.
cat > "$work/stores.env" <<EOF
SLIPSTREAM_CONTROL_URL=$(database slipstream)
SLIPSTREAM_ONLINE_URL=redis://:$redis@redis:6379/1
EOF
printf 'AIRFLOW_CONN_SLIPSTREAM_GATEWAY=http://:%s@gateway:8500\n' "$gateway" > "$work/gateway.env"
# Containers read these as other users (50000, postgres): files, in a folder only you can open.
chmod 0644 "$work"/*
mv "$work" secrets
trap - EXIT
chmod 0700 secrets
echo 'docker/secrets made. Airflow: airflow_passwords.json. Grafana: grafana_password. MLflow: admin, in mlflow.env.'

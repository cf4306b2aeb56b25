#!/usr/bin/env bash
# Generate every password and key of docker/compose.yaml into docker/secrets/ (0700), once. There is no default.
# One environment file a process: each holds what that process needs, and nothing else (docs/security.md has the table).
set -euo pipefail
cd "$(dirname "$0")"
umask 077
if [ -d secrets ]; then
  if [ -f secrets/roles.sql ]; then echo 'docker/secrets exists: left as it is'; exit 0; fi
  echo 'docker/secrets is of an earlier version (one superuser for every database). Nothing was changed. Next:' >&2
  echo '  mv docker/secrets docker/secrets.earlier, run this again, and follow docs/operating.md, "Containers".' >&2
  exit 1
fi
work="$(mktemp -d ./secrets.XXXXXX)"; trap 'rm -rf "$work"' EXIT

fernet() { head -c 32 /dev/urandom | base64 | tr '+/' '-_' | tr -d '\n'; }
token() { fernet | tr -d '='; }

superuser="$(token)"; airflow="$(token)"; dags="$(token)"; celery="$(token)"; mlflow="$(token)"; users="$(token)"; control="$(token)"
broker="$(token)"; online="$(token)"; gateway="$(token)"; ray="$(token)"; entities="$(token)"; dossier="$(token)"
mlflow_admin="$(token)"; mlflow_registry="$(token)"; mlflow_jobs="$(token)"
key="$(fernet)"; api="$(token)"; jwt="$(token)$(token)"

printf %s "$superuser" > "$work/postgres_password"
printf %s "$broker" > "$work/broker_password"
printf %s "$online" > "$work/redis_password"
token > "$work/grafana_password"
printf %s "$ray" > "$work/ray_token"
printf %s "$gateway" > "$work/gateway_token"
printf '{"admin": "%s", "op": "%s", "viewer": "%s"}' "$(token)" "$(token)" "$(token)" > "$work/airflow_passwords.json"

# A role a database; the superuser is for making them. airflow_dags is the DAG processor's (docker/postgres/parsing.sql).
role() { printf "CREATE ROLE %s LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD '%s';\n" "$1" "$2"; }
{ role airflow "$airflow"; role airflow_dags "$dags"; role celery "$celery"; role mlflow "$mlflow"; role mlflow_auth "$users"
  role slipstream "$control"; } > "$work/roles.sql"

# The driver by its name: SQLAlchemy 2.1 takes psycopg 3 for a plain postgresql://, and it is not in the image.
database() { printf 'postgresql+psycopg2://%s:%s@postgres:5432/%s' "$1" "$2" "${3:-$1}"; }

db="AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=$(database airflow "$airflow")"
fernet_key="AIRFLOW__CORE__FERNET_KEY=$key"
jwt_secret="AIRFLOW__API_AUTH__JWT_SECRET=$jwt"
api_secret="AIRFLOW__API__SECRET_KEY=$api"
celery_app="AIRFLOW__CELERY__RESULT_BACKEND=db+$(database celery "$celery")
AIRFLOW__CELERY__BROKER_URL=redis://:$broker@broker:6379/0"
ray_conn="AIRFLOW_CONN_SLIPSTREAM_RAY=slipstream-ray://:$ray@ray:8265"
gateway_conn="AIRFLOW_CONN_SLIPSTREAM_GATEWAY=slipstream-gateway://:$gateway@gateway:8500"
# Under one key an entity is the same in every gateway's log, and in what the workers read there.
entities_conn="AIRFLOW_CONN_SLIPSTREAM_ENTITIES=generic://:$entities@/"
# Whoever has it signs dossiers as this installation: the workers, which sign where a regulated model is promoted.
dossier_conn="AIRFLOW_CONN_SLIPSTREAM_DOSSIER=generic://:$dossier@/"

printf '%s\n' "$db" "$fernet_key" > "$work/migrate.env"
printf '%s\n' "$db" "$fernet_key" "$jwt_secret" "$api_secret" > "$work/api-server.env"
printf '%s\n' "$db" "$fernet_key" "$jwt_secret" "$celery_app" > "$work/scheduler.env"
printf '%s\n' "$db" "$fernet_key" "$ray_conn" > "$work/triggerer.env"
# It imports authors' code: no key, no connection, and a database role that reads neither connections nor variables.
printf '%s\n' "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=$(database airflow_dags "$dags" airflow)" 'AIRFLOW__CORE__FERNET_KEY=' \
  > "$work/dag-processor.env"
# It runs authors' code, and talks to Airflow over the API server with a token for each task: no database, no key, no JWT secret.
# The API secret signs the requests for its log files.
printf '%s\n' "$celery_app" "$api_secret" "$ray_conn" "$gateway_conn" "$entities_conn" "$dossier_conn" \
  "AIRFLOW_CONN_SLIPSTREAM_MLFLOW=slipstream-mlflow://slipstream-registry:$mlflow_registry@mlflow:5500" > "$work/worker.env"
# What every Ray job sees: an account that can log runs and do nothing else.
printf '%s\n' "AIRFLOW_CONN_SLIPSTREAM_MLFLOW=slipstream-mlflow://slipstream-jobs:$mlflow_jobs@mlflow:5500" > "$work/ray.env"
printf '%s\n' "$gateway_conn" "$entities_conn" > "$work/gateway.env"
# The shared stores: of the processes that read or write them.
printf '%s\n' "SLIPSTREAM_CONTROL_URL=$(database slipstream "$control")" "SLIPSTREAM_ONLINE_URL=redis://:$online@redis:6379/0" \
  > "$work/stores.env"
printf '%s\n' "MLFLOW_BACKEND_STORE_URI=$(database mlflow "$mlflow")" "MLFLOW_AUTH_ADMIN_PASSWORD=$mlflow_admin" \
  "MLFLOW_FLASK_SERVER_SECRET_KEY=$(token)" > "$work/mlflow.env"
printf '%s\n' "MLFLOW_ADMIN_PASSWORD=$mlflow_admin" "MLFLOW_REGISTRY_PASSWORD=$mlflow_registry" "MLFLOW_JOBS_PASSWORD=$mlflow_jobs" \
  > "$work/mlflow-accounts.env"
cat > "$work/mlflow_auth.ini" <<EOT
[mlflow]
default_permission = READ
database_uri = $(database mlflow_auth "$users")
admin_username = admin
authorization_function = mlflow.server.auth:authenticate_request_basic_auth
EOT
# Containers read these as other users (50000, postgres): files, in a folder only you can open.
chmod 0644 "$work"/*
mv "$work" secrets
trap - EXIT
chmod 0700 secrets
echo 'docker/secrets made. Airflow: airflow_passwords.json. Grafana: grafana_password. MLflow: admin, in mlflow.env.'

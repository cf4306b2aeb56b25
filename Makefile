# Slipstream. `make demo` runs the whole loop; `make up` leaves the platform running. Needs Python 3.11 only.
.DEFAULT_GOAL := help
PY := .venv/bin/python
export GX_ANALYTICS_ENABLED=false DO_NOT_TRACK=1 ITERATIVE_DO_NOT_TRACK=1 RAY_USAGE_STATS_ENABLED=0 MLFLOW_DISABLE_TELEMETRY=true NO_MKDOCS_2_WARNING=1
# Without bytecode on disk every process of a test or a command would compile the project anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup demo up down status test suite thorough test-unit lint helm format docs chaos hands e2e e2e-pods e2e-aws e2e-compose e2e-console e2e-cluster bench clean lock sbom audit

help:  ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup:  ## make .venv from the hash-locked requirements; reuses one that is up to date
	@scripts/setup.sh

FULL ?=
demo:  ## the whole loop on the flights of 2013 in five minutes, through a real Airflow; FULL=1 for a quarter of a year
	@COMPILE=$(if $(FULL),1,0) scripts/setup.sh
	@.venv/bin/slipstream demo $(if $(FULL),--full)

up: setup  ## start everything, and leave it running under a process supervisor
	@$(PY) -m include.local up

down:  ## stop everything; the data stay
	@if [ -x $(PY) ]; then $(PY) -m include.local down; fi

status:  ## what runs, and whether it answers
	@$(PY) -m include.local status

PATHS ?=
test: setup  ## linters, types, import contracts, and the fast suite; PATHS=tests/unit/core for some tests alone
	@$(MAKE) --no-print-directory -j 2 suite $(if $(PATHS),,lint)

# The linters run beside the tests, which wait for schedulers and servers most of the time.
suite: setup  ## the tests of make test, without the linters
	@env -u MAKEFLAGS -u MAKELEVEL $(PY) -m pytest -n 4 --dist loadscope $(PATHS)

thorough: setup  ## the tests with every case of what make test takes a sample of; PATHS=tests/unit/core for some
	@THOROUGH=1 $(PY) -m pytest -n 4 --dist loadscope $(PATHS)

test-unit: setup  ## the unit tests that take a moment, without servers and whole lives: what to run while you write
	@$(PY) -m pytest -n 2 --dist loadscope -m "not slow and not thorough and not lives and not e2e" tests/unit

lint: setup  ## ruff, mypy --strict, import-linter, cfn-lint, the documentation site
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/cfn-lint infra/aws/*.yaml
	@.venv/bin/mypy
	@PYTHONPATH=. .venv/bin/lint-imports --no-logo
	@.venv/bin/mkdocs build --strict

# Helm as a library, and Kubernetes' schemas: 350 MB that nothing else needs, so they are no dependencies.
HELM_TOOLS := dist/helm-tools
WRITE ?=
helm: setup  ## the chart: rendered, linted, held against Kubernetes' strict schemas, the policy and the kept files; WRITE=1 writes those
	@[ -d $(HELM_TOOLS) ] || .venv/bin/uv pip install -q --python $(PY) --target $(HELM_TOOLS) --no-deps helm-python-sdk==0.2.2 kubernetes-validate==1.37.0 importlib-resources==7.1.0
	@PYTHONPATH=$(HELM_TOOLS) $(PY) -m tests.support.chart $(if $(WRITE),--write)

format: setup  ## format the code and the imports, and mend what ruff can mend
	@.venv/bin/ruff check --fix .
	@.venv/bin/ruff format .

docs: setup  ## the documentation site, into dist/site; fails on a broken link, or a page that its contents lack
	@$(PY) scripts/cli_reference.py
	@$(PY) scripts/spec_reference.py
	@$(PY) scripts/settings_reference.py
	@.venv/bin/mkdocs build --strict
	@echo 'docs: dist/site/index.html'

CASE ?=
e2e: setup  ## the long end-to-ends through a real Airflow: walk-forward, and each case of examples/; CASE=eta for one alone
	@CASE="$(CASE)" $(PY) -m pytest -m e2e -s --timeout=3600 $(if $(CASE),tests/e2e/test_case_life.py,tests/e2e --ignore=tests/e2e/test_aws.py)

PODS ?=
e2e-pods: setup  ## the chart's pods and Airflow's containers under podman, each looked at from outside; PODS="--parts upgrade gateway" for some
	@$(PY) -m tests.pods $(PODS)
	@$(if $(PODS),,$(PY) -m tests.pods.airflow)

CLUSTER ?=
e2e-cluster: setup  ## the loop on eight machines that share nothing (namespaces of this one), each killed in turn; as root; CLUSTER=--calm
	@$(PY) -m tests.e2e.cluster $(CLUSTER)

e2e-aws: setup  ## the loop where all state is AWS's: S3, SageMaker, DynamoDB, SQS, Secrets Manager, by one stand-in for AWS
	@$(PY) -m pytest -m e2e -s --timeout=3600 tests/e2e/test_aws.py

IMAGES ?=
e2e-console: setup  ## every page of the console in a real browser with axe-core: each role, light and dark, 1400 and 600 px; and its acts as runs of a real Airflow; IMAGES=1 for docs/images
	@CONSOLE_IMAGES="$(IMAGES)" $(PY) -m pytest -m e2e -s --timeout=3600 tests/e2e/test_console_walk.py tests/e2e/test_console_acts.py

COMPOSE ?=
e2e-compose: setup  ## the image built, compose up in a network of its own, a model from features to promotion; needs dockerd; COMPOSE=--no-build
	@$(PY) -m tests.composed $(COMPOSE)

SEEDS ?= 3
STOCK_SEEDS ?= 2
chaos: setup  ## the fault matrix, SEEDS=3 a cell: every step killed, paused, cut off; writes docs/guarantees.md
	@$(PY) -m tests.support.programs tests.chaos.scheduler tests.hands tests.chaos
	@$(PY) -m tests.chaos.stock --seeds $(STOCK_SEEDS)
	@$(PY) -m tests.chaos.scheduler
	@$(PY) -m tests.hands
	@$(PY) -m tests.chaos --seeds $(SEEDS)

HANDS ?=
hands: setup  ## what an operator's hand may do to each task, under a real Airflow; HANDS="--kinds rollout" for some
	@$(PY) -m tests.hands $(HANDS)

AREA ?= parse
bench: setup  ## a benchmark, AREA=parse: ours and the peer's side by side; fails when a goal is missed
	@$(PY) -m benchmarks.$(AREA)

clean: down  ## remove .venv and .slipstream, data included
	rm -rf .venv .slipstream

sbom:  ## the software bill of materials (CycloneDX), from the lock files: dist/sbom.cdx.json
	@python3 scripts/sbom.py dist/sbom.cdx.json

audit:  ## known vulnerabilities of what is locked, images without a digest; STRICT=1 fails for want of either answer
	@if [ -x $(PY) ]; then $(PY) scripts/audit.py; else python3 scripts/audit.py; fi

lock:  ## resolve pyproject.toml's dependencies and write the hash-locked files; KEEP=1 moves no locked version
	@scripts/lock.sh

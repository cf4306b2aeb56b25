"""Unit tests mirror the sources: `include/core/ledger.py` has `tests/unit/core/test_ledger.py`. What has none is listed."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = set(subprocess.check_output(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, text=True).splitlines())
MIGRATIONS = "include/core/schema/versions/"  # tests/upgrade runs each of them, on the store of an earlier release
SMALL = 30  # lines; a module of so few has no logic to test by itself

# Modules without a test of their own, by the tests that run them. Names are below `include/`, unless a folder is given.
ELSEWHERE = {
    # A vendor's part is tested by its port's suite, or against the vendor itself.
    "tests/contract/test_gateway.py": "backends/ray/serve",
    "tests/contract/test_jobs.py": "core/ports",
    "tests/contract/test_dynamodb.py": "backends/dynamodb/kept backends/dynamodb/online_store backends/dynamodb/table",
    "tests/unit/backends/sagemaker/test_jobs.py": (  # against the fake of AWS, as SageMaker answers
        "backends/sagemaker/requests backends/sagemaker/state"
    ),
    "tests/contract/test_online_store.py": "backends/redis/online_store backends/redis/scripts online_store/packed_store",
    "tests/contract/test_online_port.py": "online_store/store",
    "tests/unit/core/test_environment.py": "core/environment_aws core/variable",
    "tests/contract/test_event_log.py": ("backends/kafka/answers backends/kafka/consumer backends/redis/streams event_log/port"),
    "tests/contract/test_registry.py": "backends/folder/registry backends/mlflow/registry backends/mlflow/run",
    "tests/contract/test_secret_store.py": "backends/aws/secrets",
    "tests/contract/test_storage.py": "core/storage",
    "tests/contract/test_storage_s3.py": "backends/s3/bucket backends/s3/storage",
    "tests/contract/test_anchors_s3.py": "backends/s3/anchors",
    "tests/contract/test_aws_access.py": "backends/aws/connection",
    "tests/unit/backends/aws/test_session.py": "backends/aws/noted",
    "tests/unit/plugins/test_slipstream_quality.py": (
        "plugins/slipstream_audit plugins/slipstream_costs plugins/slipstream_lineage"
    ),
    "tests/unit/operators/test_feature_sets.py": (
        "cli/features_catalogue cli/features_impact overview/catalogue overview/impact overview/installation overview/readers "
        "plugins/slipstream_features"
    ),
    "tests/integration/test_feast.py": (
        "backends/feast/engine backends/feast/materialize backends/feast/online backends/feast/registry backends/feast/repo "
        "cli/features"
    ),
    "tests/integration/test_feast_offline.py": (
        "backends/feast/entities backends/feast/lookup backends/feast/offline backends/feast/retrieval backends/feast/source"
    ),
    "tests/integration/test_gateway_traced.py": (
        "serving/prediction/traced_predictor serving/telemetry/recording serving/traced_gateway"
    ),
    "tests/integration/test_metric_delivery.py": "backends/mlflow/rest backends/mlflow/tracking",
    "tests/integration/test_mlflow_registry.py": "backends/mlflow/labels governance/labels",
    "tests/integration/test_scoring_ray.py": "backends/ray/data",
    "tests/unit/backends/ray/test_fork_server.py": "backends/ray/fork_client",
    "tests/unit/backends/ray/test_scaling.py": "backends/ray/waiting",
    "tests/integration/test_training_ray.py": "backends/ray/group backends/ray/train models/flight_delay/network",
    "tests/unit/backends/ray/test_elastic.py": "backends/ray/crew backends/ray/round",
    "tests/unit/backends/lightning/test_private.py": "backends/opacus/gradients",
    "tests/unit/backends/lightning/test_fit.py": (  # a killed fit goes through all of it
        "backends/lightning/checkpoint backends/lightning/checks backends/lightning/data "
        "backends/lightning/loops backends/lightning/plan backends/lightning/state backends/lightning/state_file"
    ),
    "tests/unit/backends/great_expectations/test_expectations.py": "validation/plan",
    "tests/unit/backends/lightning/test_rungs.py": "backends/lightning/perturbed training/rung",
    "tests/integration/test_search_runs.py": "backends/mlflow/trials",
    "tests/integration/test_search_processes.py": ("backends/ray/tune training/search/executor training/search/pool"),
    "tests/unit/training/test_tune_step.py": "training/search/followed training/search/value",
    "tests/unit/training/search/test_engine.py": (
        "training/search/records training/search/schedulers training/search/suggest training/search/trials"
    ),
    "tests/unit/training/search/test_page.py": "training/search/axes training/search/importance",
    "tests/unit/backends/oip/test_model.py": "backends/oip/client backends/oip/tensors",
    "tests/unit/backends/onnx/test_adopt.py": "backends/onnx/foreign backends/onnx/limits",
    "tests/unit/backends/lightgbm/test_convert.py": "backends/onnx/trees",
    "tests/unit/backends/sklearn/test_trainer.py": (  # a pipeline's file goes through all of it
        "backends/onnx/merge backends/onnx/trained backends/sklearn/estimator backends/sklearn/texts"
    ),
    "tests/unit/backends/sagemaker/test_endpoint_target.py": (  # a rollout goes through all of it
        "backends/sagemaker/endpoint_parts backends/sagemaker/endpoint_plan routing/applied serving/target"
    ),
    "tests/unit/backends/sagemaker/test_model_registry.py": "governance/approval",
    "tests/unit/gateway/test_endpoint.py": "backends/sagemaker/endpoint_questions serving/http/invocations serving/stores",
    "tests/unit/rollout/test_endpoint_evidence.py": "prediction_log/root_tail rollout/endpoint_rails",
    "tests/unit/features/offline/test_dataset.py": "data/sql_types",
    "tests/unit/fairness/test_assess.py": (
        "fairness/decisions fairness/groups fairness/rates fairness/verdict step_values/fairness"
    ),
    "tests/unit/evaluation/test_robustness.py": "step_values/robustness",
    "tests/unit/monitoring/test_fairness.py": "monitoring/people",
    "tests/unit/model_contract/test_columns.py": "model_contract/input",
    "tests/unit/handover/test_estimator.py": "backends/sklearn/columns",
    "tests/unit/handover/test_register.py": (  # a registration goes through all of it
        "evaluation/unlabelled_step governance/import_step governance/imported handover/contract handover/results "
        "step_values/imported"
    ),
    "tests/unit/evaluation/test_privacy_check.py": "core/spec/privacy evaluation/privacy_words step_values/privacy",
    "tests/unit/explanations/test_shapley.py": "backends/shap/values",
    "tests/unit/evaluation/test_explained.py": "core/spec/explanations evaluation/explained_charts step_values/explanations",
    "tests/unit/operators/test_unmanaged.py": "monitoring/past_step",
    "tests/unit/serving/prediction/test_remote_chain.py": "serving/prediction/chain",
    # What a stranger may send or see is tested in one place, for all that stands in the way.
    "tests/security/test_audit.py": "governance/audit_chain governance/seals",
    "tests/security/test_audit_edits.py": "governance/anchored governance/audit_rows governance/audit_walk",
    "tests/unit/governance/dossier/test_verify.py": "governance/dossier/audit_part",
    "tests/unit/overview/dossier/test_gather.py": (
        "overview/dossier/files overview/dossier/judged overview/dossier/made overview/dossier/since"
    ),
    "tests/security/test_http_bounds.py": "serving/http/body serving/http/bounds serving/http/connections",
    "tests/security/test_http_framing.py": "serving/http/request_head",
    "tests/security/test_model_sizes.py": "backends/onnx/file backends/onnx/walk",
    "tests/security/test_models.py": "backends/mlflow/model backends/onnx/wire scoring/scorer",
    "tests/unit/plugins/test_slipstream_training.py": "plugins/slipstream_runs",
    "tests/security/test_origin.py": "core/origin core/refused plugins/slipstream_access serving/gateway serving/http/origin",
    "tests/security/test_pages.py": (
        "backends/evidently/report core/html core/html_policy evaluation/report monitoring/report "
        "plugins/slipstream_reports validation/page"
    ),
    "tests/security/test_privacy.py": "cli/redact features/withdrawn_step prediction_log/redaction",
    "tests/security/test_private_files.py": "core/private_files local/mlflow_accounts",
    "tests/security/test_secrets.py": "local/rights local/supervisor",
    "tests/security/test_sql.py": "data/authored data/sql features/offline/pinned features/offline/sources",
    "tests/security/test_token_command.py": "cli/token",
    "tests/security/test_tokens.py": "serving/http/asgi serving/http/request_error serving/http/routes serving/http/tokens",
    "tests/unit/ranges/test_take_in.py": (
        "ranges/making ranges/online ranges/publishing ranges/status ranges/stretch ranges/worker"
    ),
    "tests/unit/streaming/test_loop.py": (  # kills and hand-overs go through all of it
        "event_log/poison features/streams/rows features/streams/state features/streams/taken streaming/sink streaming/standing"
    ),
    "tests/integration/test_stream_answers.py": "streaming/in_process streaming/run",
    # Real processes: a platform, an upgrade, the demonstration.
    "tests/e2e/test_walk_forward.py": "demo/account",
    "tests/integration/test_gateway.py": "gateway/host serving/supervisor",
    "tests/integration/test_platform.py": (
        "local/__main__ local/connections local/down local/health local/launch local/platform local/pools local/roles"
    ),
    "tests/upgrade/test_migrate.py": "core/schema/env core/schema/former core/schema/migrate",
    "tests/upgrade/test_upgrade.py": "cli/anew",
    # Commands, run as a person runs them.
    "tests/unit/cli/test_commands.py": (
        "cli/cancel cli/context cli/in_process cli/invalidate cli/jobs cli/main cli/mirror cli/predict cli/profile "
        "cli/quarantine cli/restore cli/rollback cli/rollout cli/status cli/versions"
    ),
    "tests/unit/cli/test_completion.py": "cli/completion_scripts cli/completion_words",
    "tests/unit/cli/checkup/test_aws.py": "backends/aws/looked backends/aws/stacks",
    "tests/unit/cli/test_doctor.py": "cli/checkup/models cli/checkup/reachable",
    "tests/unit/cli/test_writers.py": "cli/components",
    "tests/unit/authoring/test_check.py": (
        "authoring/dry_run authoring/findings authoring/sample authoring/template/features "
        "authoring/template/sample_data authoring/template/spec cli/check"
    ),
    "tests/unit/authoring/test_new.py": "cli/new",
    "tests/unit/notebook/test_commands.py": "cli/by_hand cli/compare cli/evaluate cli/training_set",
    "tests/unit/notebook/test_model.py": "notebook/arguments notebook/comparison notebook/days notebook/fits notebook/results",
    "tests/unit/notebook/test_reused.py": "authoring/model_dags",
    "tests/unit/operators/test_changed_definition.py": "cli/changed features/request",
    "tests/unit/operators/test_landing.py": (
        "backends/warehouse/athena backends/warehouse/emr_serverless backends/warehouse/redshift "
        "landing/delivery landing/land_step landing/query landing/ready landing/request landing/warehouse"
    ),
    "tests/unit/operators/test_late_days.py": "cli/late features/publication operators/pending_events point_in_time/partition",
    "tests/unit/operators/test_lost_rows.py": "cli/online",
    "tests/unit/operators/test_moved.py": "cli/relocate governance/relocation",
    "tests/unit/backup/test_create.py": "backup/dump backup/index backup/manifest backup/parts backup/verify",
    "tests/unit/retention/test_versions.py": (
        "core/given_up governance/numbers retention/released retention/version_use versions/given_up versions/hold"
    ),
    "tests/unit/retention/test_ledger.py": (
        "retention/finding retention/holdings retention/lifecycle retention/reachable retention/run"
    ),
    # Parts of one step or one computation, which its test runs whole.
    "tests/unit/core/test_spec.py": (
        "core/spec/base core/spec/data core/spec/dtypes core/spec/evaluation core/spec/features core/spec/model "
        "core/spec/monitoring core/spec/rollout core/spec/serving core/spec/training"
    ),
    "tests/unit/core/test_ledger.py": "core/request",
    "tests/unit/problems/test_metric.py": "problems/problem",
    "tests/unit/problems/test_regression.py": "problems/boosting",
    "tests/unit/data/test_columns.py": "data/pages validation/batch validation/verdict",
    "tests/unit/evaluation/test_evaluate_step.py": "step_values/evaluation",
    "tests/unit/features/test_authored_names.py": "prediction_log/sql_view",
    "tests/unit/features/test_training_set_step.py": "step_values/features",
    "tests/unit/governance/test_lineage.py": "cli/trace governance/node",
    "tests/unit/governance/test_registry.py": "governance/package governance/registration",
    "tests/unit/models/flight_delay/test_expectations.py": "models/flight_delay/spec",
    "tests/unit/monitoring/drift/test_drift.py": "monitoring/reference monitoring/profile/summary",
    "tests/unit/monitoring/drift/test_drift_type.py": "monitoring/profile/prediction_columns",
    "tests/unit/monitoring/performance/test_estimation.py": "monitoring/additive",
    "tests/unit/monitoring/profile/test_grid.py": "monitoring/profile/column_scan",
    "tests/unit/monitoring/profile/test_profiles.py": (" monitoring/profile/binning monitoring/profile/profile_file"),
    "tests/unit/monitoring/retraining/test_policy_replay.py": "monitoring/retraining/labelled_stream",
    "tests/unit/monitoring/test_monitor_step.py": "step_values/monitoring",
    "tests/unit/operators/test_evaluation.py": "evaluation/measure_again_step operators/links",
    "tests/unit/operators/test_monitoring.py": "operators/staleness",
    "tests/unit/examples/test_models.py": "operators/catalog",
    "tests/unit/operators/test_compose.py": (
        "operators/assets operators/groups/features operators/groups/group operators/groups/monitoring operators/groups/rollout "
        "operators/groups/scoring operators/groups/training"
    ),
    "tests/unit/operators/test_lifecycle.py": "operators/defaults operators/lifecycle_docs operators/params",
    "tests/unit/operators/test_openlineage.py": "overview/datasets",
    "tests/unit/operators/test_requests.py": "evaluation/request monitoring/request training/request validation/request",
    "tests/unit/operators/test_skew.py": "features/skew/findings",
    "tests/unit/scoring/test_scored.py": "scoring/request",
    "tests/unit/serving/models/test_deployment_manager.py": "serving/models/loading",
    "tests/unit/serving/prediction/test_explained_tensors.py": "serving/prediction/inference",
    "tests/unit/serving/prediction/test_kinds.py": "serving/models/answers serving/prediction/rows",
    "tests/unit/plugins/test_slipstream_plugin.py": (
        "plugins/slipstream_acts plugins/slipstream_api plugins/slipstream_fleet plugins/slipstream_model"
    ),
    "tests/unit/point_in_time/test_join.py": "features/offline/as_of_search features/offline/batch features/offline/parquet",
    "tests/unit/point_in_time/test_known.py": "scoring/rows",
    "tests/unit/prediction_log/test_compaction.py": "prediction_log/compactor",
    "tests/unit/prediction_log/test_first.py": "prediction_log/reader",
    "tests/unit/prediction_log/test_shipping.py": "prediction_log/rotated prediction_log/shipping_state",
    "tests/unit/reconcile/test_candidates.py": "rollout/candidates",
    "tests/unit/reconcile/test_rollouts.py": "rollout/driver",
    "tests/unit/experiments/test_machine.py": "experiments/record",
    "tests/unit/operators/test_experiment.py": "experiments/request operators/groups/experiment",
    "tests/unit/reconcile/test_run.py": "reconcile/airflow reconcile/world",
    "tests/unit/rollout/test_evidence_merge.py": "rollout/evidence_accumulator rollout/stage_terms",
    "tests/unit/rollout/test_evidence_publisher.py": "rollout/evidence_store rollout/live_stages",
    "tests/unit/rollout/test_judge.py": "rollout/evidence",
    "tests/unit/forgetting/test_run.py": (  # a request goes through all of it
        "cli/forgotten core/forgotten core/subject forgetting/control_rows forgetting/files forgetting/find forgetting/graph "
        "forgetting/models forgetting/record forgetting/results forgetting/stores"
    ),
    "tests/integration/test_forget_mlflow.py": "backends/mlflow/erase",
    "tests/unit/rollout/test_stage_evaluation.py": "rollout/evidence_look",
    "tests/unit/rollout_state/test_approval.py": "core/spec/approval",
    "tests/unit/rollout/test_approvals.py": "rollout/approval_list",
    "tests/unit/cli/test_approve.py": "backends/airflow/person",
    "tests/unit/rollout/test_machine.py": "rollout/history rollout/rollback",
    "tests/unit/operators/test_rollout.py": "operators/rollout_end operators/traffic rollout/pause",
    "tests/unit/operators/test_persons.py": "operators/approval_trigger operators/judged_again rollout/approval_request",
    "tests/unit/row_rules/test_expectation.py": "row_rules/catalogue",
    "tests/unit/core/expression/test_checked.py": "core/expression/functions core/expression/tree core/expression/typed",
    "tests/unit/request_features/test_compiled.py": "request_features/reading request_features/sql",
    "tests/unit/request_features/test_parity.py": "request_features/interpreted",
    "tests/unit/request_features/test_values.py": "request_features/logic",
    "tests/unit/serving/models/test_loaded_model.py": "model_contract/model",
    "tests/unit/serving/models/test_route_switch.py": "serving/models/deployment",
    "tests/unit/serving/prediction/test_lost_views.py": "serving/prediction/online_features",
    "tests/unit/serving/http/test_gateway_protocol.py": "serving/http/corked_transport",
    "tests/unit/serving/telemetry/test_counters.py": "serving/telemetry/shared_memory",
    "tests/unit/serving/telemetry/test_metrics_page.py": "serving/telemetry/exposition serving/telemetry/health",
    "tests/unit/training/rows/test_prepare.py": "training/checks",  # each refusal, in memory and streamed
    "tests/unit/training/test_train_step.py": "step_values/training training/job",
    "tests/unit/operators/test_validation.py": "step_values/validation",
    "tests/unit/validation/test_propose.py": "validation/column validation/draft validation/prove",
    "tests/unit/validation/test_scan.py": "validation/plan_columns validation/plan_rows",
    "tests/unit/operators/test_bad_input.py": "operators/hooks",
}
# Tests of what several modules do together, in the folder of the package whose promise it is.
THEMES = {
    "tests/unit/cli": "commands json unknown_names",
    "tests/unit/core": "digest_of_steps spec",
    "tests/unit/data": "partitions",
    "tests/unit/evaluation": "binary_results problems",
    "tests/unit/features": "authored_names problems request_features zones",
    "tests/unit/monitoring": "binary_golden kinds storm",
    "tests/unit/ranges": "cadences",
    "tests/unit/retention": "lives",
    "tests/unit/monitoring/drift": "texts",
    "tests/unit/models": "former_imports",
    "tests/unit/notebook": "commands reused",
    "tests/unit/operators": (
        "bad_input changed_definition compose empty_days frozen gc late_days lost_rows moved override requests skew warm_start"
    ),
    "tests/unit/reconcile": "bench",
    "tests/unit/rollout": "entities",
    "tests/unit/serving": "binary_golden direct",
    "tests/unit/serving/prediction": "computed kinds",
}
# Folders of tests about what is no package of the sources: containers, charts, templates, examples, scripts, the tests' helpers.
OTHER = ("docker", "examples", "helm", "infra", "scripts", "support")


def source_of(name: str) -> str:
    """The file that an entry of the list means."""
    return f"{name}.py" if name.startswith(("operators/", "plugins/")) else f"include/{name}.py"


def own_test(source: str) -> str:
    """The path of a source's own test."""
    path = Path(source.removeprefix("include/"))
    return str(Path("tests/unit") / path.parent / f"test_{path.name}")


SOURCES = {
    name
    for name in FILES
    if name.endswith(".py") and name.startswith(("include/", "operators/", "plugins/")) and (ROOT / name).is_file()
}
LISTED = {source_of(name): test for test, names in ELSEWHERE.items() for name in names.split()}


def alone() -> set[str]:
    """The sources that are long enough to have a test, and have none of their own."""
    modules = {name for name in SOURCES if Path(name).name != "__init__.py" and not name.startswith(MIGRATIONS)}

    return {name for name in modules if own_test(name) not in FILES and len((ROOT / name).read_text().splitlines()) > SMALL}


def test_every_module_has_a_test_of_its_own_or_stands_in_the_list() -> None:
    assert sorted(alone() - LISTED.keys()) == []


def test_the_list_names_no_module_that_has_a_test_or_is_gone() -> None:
    assert sorted(LISTED.keys() - alone()) == []


def test_what_the_list_says_tests_a_module_is_there() -> None:
    assert sorted(test for test in ELSEWHERE if test not in FILES) == []
    assert sum(len(names.split()) for names in ELSEWHERE.values()) == len(LISTED), "a module stands there twice"


@pytest.mark.parametrize("folder", sorted({str(Path(name).parent) for name in FILES if name.startswith("tests/unit/")}))
def test_a_test_file_names_a_module_or_a_theme(folder: str) -> None:
    parts = Path(folder).parts[2:]
    if not parts or parts[0] in OTHER:
        return
    themes = {f"{folder}/test_{name}.py" for name in THEMES.get(folder, "").split()}
    mirrored = {own_test(name) for name in SOURCES}
    tests = {name for name in FILES if str(Path(name).parent) == folder and Path(name).name.startswith("test_")}
    assert sorted(tests - mirrored - themes) == []
    assert sorted(themes - tests) == []

"""What each DAG of a model says about itself in the UI: {name}, {description} and {owner} are the spec's."""

FEATURES = """### {name}: features
{description} Owner: {owner}.

Waits for the day's raw partitions, validates them (bad rows go to quarantine with their reason, a failed batch stops here),
publishes the offline feature partition in one transaction and brings its newest values online.

**Safe to do at any time**: retry, clear, backfill, two runs of one day. Equal inputs give the result that is already there; a
corrected partition is computed anew and replaces the published one; online values never go back in time.
"""
SHARED = """### {name}: a feature set
{description} Owner: {owner}.

Waits for the day's raw partitions, validates them, publishes the day's views in one transaction and brings their newest values
online: once, for every model that reads the set. As long as a version of any model is routed to that was trained on another
definition of a view, that definition's values are brought online as well.

**Safe to do at any time**: retry, clear, backfill, two runs of one day. What a change of a definition touches, before it lands:
`slipstream features impact {name}`.
"""
FEATURES_RANGE = """### {name}: features of a range of days
{description} Owner: {owner}.

Takes in every day from `from` to `to`, both included, as one unit of work: validated, published and brought online as the daily
DAG does, to the same results. Days that are done are found. Each day commits by itself, so a killed run goes on at the first
missing day; a day that fails is named and holds nothing up.

    airflow dags trigger {name}_features_range --conf '{{"from": "2013-01-01", "to": "2013-12-31"}}'
    airflow backfill create --dag-id {name}_features_range --from-date 2013-01-01 --to-date 2013-12-31    # a run a month
"""
TRAINING = """### {name}: training
{description} Owner: {owner}.

Builds a point-in-time training set as of a moment, trains on the job backend, evaluates on a fixed holdout against the champion
and the baselines, and registers the version. An open gate sends it to rollout.

Runs on a retraining decision, on its schedule (skipped when there is nothing new to learn), by hand, or as a **backfill: a
walk-forward backtest** that registers versions and never deploys them.
"""
ROLLOUT = """### {name}: rollout
{description} Owner: {owner}.

Smoke test on the real server, shadow, then the steps of the spec, each judged by a test that is valid however often one looks.
Whatever ends a run before its promotion rolls back: a failure, the judge, a run marked failed or success by hand. Clearing a task
resumes at its stage with the evidence collected so far.

**A run is green** only if its version was promoted; skipped throughout if no version waited for its turn; else it is **red**.
`slipstream rollback {name}` works with Airflow down.
"""
EXPERIMENT = """### {name}: experiments
{description} Owner: {owner}.

Some entities are answered by the champion, others by another version; what callers report decides which is better. Start one
by hand, by its name in the spec:

    airflow dags trigger {name}_experiment --conf '{{"experiment": "NAME"}}'

Every run looks at the live experiment if a day has passed since the last look, and ends it once a look has decided: all traffic
is the champion's then, and `slipstream experiment show {name}` says what was found. To end one before: `slipstream experiment
stop {name}`. A rollout waits meanwhile.

**Safe to do at any time**: retry, clear. A look is taken once, an experiment is started and ended once.
"""
MONITORING = """### {name}: monitoring
{description} Owner: {owner}.

Collects the prediction log and the labels that have arrived, judges data quality, drift and performance, and decides whether to
retrain. The decision is a row with its evidence; deciding once more returns the same row.

`skew` replays logged requests through the offline path and fails if serving and training compute a value differently.
"""
UNMANAGED = """### {name}: monitoring
{description} Owner: {owner}.

Collects the prediction log and the labels that callers have sent (`POST /feedback/{name}`), and judges data quality, drift and
performance against what the champion was asked before. Nothing is trained here: a reason to retrain is said, and starts nothing.
"""
SCORING = """### {name}: batch scoring
{description} Owner: {owner}.

Scores every entity of the day with the version in production and writes one immutable partition.
"""

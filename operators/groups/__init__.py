"""TaskGroups of a model's life, for any DAG: `features_group`, `training_group`, `rollout_group`, `monitoring_group`,
`scoring_group`. Each is made from the model's spec and returns the outputs that the next one takes."""

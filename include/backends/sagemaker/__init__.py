"""Amazon SageMaker: training and scoring as jobs of it."""

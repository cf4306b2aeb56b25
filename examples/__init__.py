"""Models to copy from: what an author writes, complete, and nothing else."""

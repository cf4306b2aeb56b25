"""What several suites, the fault matrix and the benchmarks use."""

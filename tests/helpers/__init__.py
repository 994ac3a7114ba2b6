"""What several tests use: small data sets, configurations, reference numbers, compilers."""

"""Reading, census, checks, statistics, splits, batches."""

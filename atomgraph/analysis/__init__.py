"""Error tables, plots, physical laws, the report."""

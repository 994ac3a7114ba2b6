"""Sources of the potential of a run: a new one, or an existing one that is edited."""

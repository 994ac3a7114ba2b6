"""Checkpoints of SevenNet."""

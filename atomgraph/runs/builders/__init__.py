"""Potential builders of runs: for a new potential, and for an existing potential that is fine-tuned."""

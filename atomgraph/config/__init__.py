"""One YAML, one run: validated, resolved, carried out."""

"""Training by gradient, with Lightning."""

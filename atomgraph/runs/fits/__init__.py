"""Fit methods of runs: training by gradient, fits in closed form, fine-tuning, the last layer, and Gauss-Newton."""

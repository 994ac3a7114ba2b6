"""Fits of a potential: by gradient, in closed form, of the last layer, by Gauss-Newton."""

"""Analysis of potentials: errors on labelled structures, physical laws, dynamics, speed, and reports."""

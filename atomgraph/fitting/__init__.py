"""In closed form: weights of linear and kernel readouts, solved for from energies, forces and stresses at once."""

from atomgraph.fitting.closed_form import Solution, solve_least_squares, solve_sparse_gp
from atomgraph.fitting.noise import EnergyWeight, Noise, Sigma
from atomgraph.fitting.problem import LinearProblem
from atomgraph.fitting.solvers.errors import FittingError
from atomgraph.fitting.sparse_set import Selection, place_sparse_points
from atomgraph.fitting.streaming import Progress, stream
from atomgraph.fitting.uncertainty import add_uncertainty
from atomgraph.fitting.unknowns import Unknowns

__all__ = [
    "EnergyWeight",
    "FittingError",
    "LinearProblem",
    "Noise",
    "Progress",
    "Selection",
    "Sigma",
    "Solution",
    "Unknowns",
    "add_uncertainty",
    "place_sparse_points",
    "solve_least_squares",
    "solve_sparse_gp",
    "stream",
]

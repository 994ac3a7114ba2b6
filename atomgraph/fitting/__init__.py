"""In closed form: weights of linear and kernel readouts, solved for at once; and all weights of any model, step by step."""

from atomgraph.fitting.cancellation import Cancellation, cancellation_of
from atomgraph.fitting.closed_form import Solution, solve_least_squares, solve_sparse_gp
from atomgraph.fitting.gauss_newton_fit import Descent, Step, gauss_newton, require_room
from atomgraph.fitting.linear_problem import LinearProblem
from atomgraph.fitting.linear_weights import Unknowns
from atomgraph.fitting.noise import EnergyWeight, Noise, Sigma
from atomgraph.fitting.solvers.fit_errors import FittingError
from atomgraph.fitting.sparse_set import Selection, place_sparse_points
from atomgraph.fitting.streaming import Progress, stream
from atomgraph.fitting.uncertainty import add_uncertainty

__all__ = [
    "Cancellation",
    "Descent",
    "EnergyWeight",
    "FittingError",
    "LinearProblem",
    "Noise",
    "Progress",
    "Selection",
    "Sigma",
    "Solution",
    "Step",
    "Unknowns",
    "add_uncertainty",
    "cancellation_of",
    "gauss_newton",
    "place_sparse_points",
    "require_room",
    "solve_least_squares",
    "solve_sparse_gp",
    "stream",
]

"""Fits by linear algebra: linear and kernel readouts in closed form, and all weights of any model by Gauss-Newton."""

from atomgraph.fitting.cancellation import Cancellation, measure_cancellation
from atomgraph.fitting.closed_form import ClosedFormResult, solve_least_squares, solve_sparse_gp
from atomgraph.fitting.gauss_newton_fit import GaussNewtonResult, Step, check_memory, gauss_newton
from atomgraph.fitting.kernel_points import SparsePointSelection, choose_sparse_points
from atomgraph.fitting.linear_problem import LinearProblem
from atomgraph.fitting.linear_weights import LinearWeights
from atomgraph.fitting.noise import EnergyWeight, Noise, Sigma
from atomgraph.fitting.solvers.fit_errors import FittingError
from atomgraph.fitting.streaming import Progress, accumulate
from atomgraph.fitting.uncertainty import add_uncertainty
from atomgraph.old_names import old_names_of

__all__ = [
    "Cancellation",
    "ClosedFormResult",
    "EnergyWeight",
    "FittingError",
    "GaussNewtonResult",
    "LinearProblem",
    "LinearWeights",
    "Noise",
    "Progress",
    "Sigma",
    "SparsePointSelection",
    "Step",
    "accumulate",
    "add_uncertainty",
    "check_memory",
    "choose_sparse_points",
    "gauss_newton",
    "measure_cancellation",
    "solve_least_squares",
    "solve_sparse_gp",
]

__getattr__ = old_names_of(__name__)

"""Fine-tuning by Gauss-Newton: all weights, a linear problem a step."""

from __future__ import annotations

from time import perf_counter
from typing import Any

from atomgraph.config.finetune_schema import GaussNewton
from atomgraph.config.folder import MODEL, TABLE
from atomgraph.config.preparation import describe
from atomgraph.config.solved_run import Parts, SolvedRun
from atomgraph.data.frame_names import number_of
from atomgraph.errors import ConfigError
from atomgraph.fitting import FittingError, Noise, Sigma, Step, check_memory, gauss_newton
from atomgraph.fitting.jacobian import ResidualJacobian
from atomgraph.potential import Potential
from atomgraph.progress import duration
from atomgraph.training.csv_table import write_table


class GaussNewtonRun(SolvedRun):
    """``method.kind: gauss_newton``: a few structures, and every weight as far as it serves them."""

    how = "fine-tuned by Gauss-Newton"
    solving: GaussNewton

    @property
    def _noise(self) -> Noise:
        return Noise(Sigma(**self.solving.sigma.model_dump()))

    def _ready(self, potential: Potential, graphs: Parts) -> Potential:
        self._say(describe(potential))
        tangent = ResidualJacobian(potential, self._noise, self.beginning.head)
        try:
            check_memory(tangent, graphs["train"], self.solving.memory)
        except FittingError as error:
            raise ConfigError(f"method.kind: gauss_newton: {error}") from error
        return potential

    def _solve(self, potential: Potential, graphs: Parts) -> dict[str, Any]:
        began, method, head = perf_counter(), self.solving, self.beginning.head
        rows: list[dict[str, Any]] = []

        def told(step: Step) -> None:
            rows.append({"step": step.number, "damping": step.damping, "train": step.train, "valid": step.valid})
            write_table(self.folder.path / TABLE, rows)
            judged = "" if step.valid is None else f", validation {step.valid**0.5:.4g}"
            self._say(
                f"step {step.number:3d}/{method.steps}  errors in units of sigma: training {step.train**0.5:.4g}{judged}; "
                f"damping {step.damping:.1e}, {duration(step.seconds)}"
            )

        try:
            descent = gauss_newton(
                potential,
                graphs["train"],
                self._noise,
                head=head,
                valid=graphs["valid"],
                steps=method.steps,
                damping=method.damping,
                tolerance=method.tolerance,
                memory=method.memory,
                on_step=told,
            )
        except KeyboardInterrupt:
            potential.head = head
            potential.save(self.folder.path / MODEL)
            raise KeyboardInterrupt(f"the best weights so far are in {self.folder.path / MODEL}") from None
        potential.head = head
        self.n_steps = len(descent.steps)
        self._say(
            f"{number_of(len(descent.steps), 'step')} in {duration(perf_counter() - began)}; the weights after step "
            f"{descent.best} are kept ({descent.ended})"
        )
        return {"steps": len(descent.steps), "best_step": descent.best, "ended": descent.ended}

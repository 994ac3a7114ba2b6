"""Peak memory and time of a closed-form fit of ACE with a thousand functions to a large data set.

    python benchmarks/closed_form_memory.py FILES...

Such as the Nb-Mo-Ta-W set (elements and binaries, 5,282 structures): the bar is 3 GB.
"""

import resource
import sys
import tempfile
import time

from timing import print_table

from atomgraph.config import train

N_MAX, L_MAX = [8, 3, 2, 1], [0, 3, 2, 1]


def main(files):
    config = {
        "data": {"train": files, "valid": None, "cache": False},
        "model": {"kind": "ACE", "elements": "auto", "cutoff": 5.0, "parameters": [[1.0, 1.0]]},
        "baseline": {"e0": "least_squares", "scale": "none"},
        "fit": {"kind": "least_squares", "sigma": {"virial": None}, "contradictions": "keep"},
    }

    config["model"] |= {"n_max": N_MAX, "l_max": L_MAX}
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        potential, metrics = train(config | {"output": {"folder": f"{folder}/run", "report": False}}, quiet=True)
        seconds = time.perf_counter() - start
    facts, peak = metrics["training"], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    columns = ["elements", "structures", "functions", "unknowns", "rows", "minutes", "peak GB"]
    n_functions = potential.model.branches[0].featurizer.irreps_out.dim
    structures = potential.metadata["data"]["structures"]["train"]
    row = [" ".join(potential.elements), structures, n_functions, facts["unknowns"], facts["rows"]]
    print_table("ACE in closed form", columns, [[*row, f"{seconds / 60:.1f}", f"{peak:.2f}"]])


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(sys.argv[1:])
    else:
        print(__doc__)

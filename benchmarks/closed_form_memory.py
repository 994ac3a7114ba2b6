"""Measure peak memory and CPU time of a closed-form fit of ACE to a large data set, with about 1,000 functions per element.

    python benchmarks/closed_form_memory.py FILES... [--test FILE]

An example is the Nb-Mo-Ta-W set (elements and binaries, 5,282 structures). The goal is less than 3 GB.
"""

import argparse
import resource
import tempfile
import time

from measuring.timing import print_table

from atomgraph.runs import train

N_MAX, L_MAX = [8, 4, 2, 1], [0, 3, 1, 0]


def main(files, test):
    config = {
        "data": {"train": files, "valid": None, "test": test, "cache": False},
        "model": {"kind": "ACE", "elements": "auto", "cutoff": 5.0, "n_max": N_MAX, "l_max": L_MAX},
        "baseline": {"e0": "least_squares", "scale": "none"},
        "fit": {"kind": "least_squares", "sigma": {"virial": None}, "contradictions": "keep"},
    }
    config["model"]["parameters"] = [[1.0, 1.0]]
    with tempfile.TemporaryDirectory() as folder:
        start = time.process_time()
        potential, metrics = train(config | {"output": {"folder": f"{folder}/run", "report": False}}, quiet=True)
        seconds = time.process_time() - start
    fit_summary, peak = metrics["training"], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    rows = [
        ("elements", " ".join(potential.elements)),
        ("structures", potential.metadata["data"]["structures"]["train"]),
        ("functions per element", potential.model.branches[0].featurizer.irreps_out.dim),
        ("weights", fit_summary["unknowns"]),
        ("rows", fit_summary["rows"]),
        ("condition number", f"{fit_summary['condition_number']:.1e}"),
        ("CPU time, minutes", f"{seconds / 60:.1f}"),
        ("peak memory, GB", f"{peak:.2f}"),
    ]
    for part in [part for part in ("train", "test") if part in metrics]:
        units, errors = metrics[part]["units"], metrics[part]["all"]
        rows += [(f"{part} {name}, MAE, {unit}", f"{errors[name]['mae']:.3g}") for name, unit in units.items()]
    print_table("ACE in closed form", ["quantity", "value"], rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", help="training structures")
    parser.add_argument("--test", default=None, help="structures to predict afterwards")
    arguments = parser.parse_args()
    if arguments.files:
        main(arguments.files, arguments.test)
    else:
        print("closed_form_memory.py needs files of training structures, for example those of the Nb-Mo-Ta-W set")

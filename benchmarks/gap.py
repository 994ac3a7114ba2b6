"""Compare GAP with QUIP: CPU time of energies and forces; CPU time, memory and errors of a fit.

    python benchmarks/gap.py [TRAIN.xyz TEST.xyz]

The data must contain one element; by default they are the bundled data of silicon. quippy is in the environment of
``make bench-peers``. All programs use one thread. The fit uses 60 structures of TRAIN, SOAP with 200 sparse points, and the
same sigmas. gap_fit and ``fit.kind: sparse_gp`` run in separate processes. quippy and atomgraph then evaluate the potential of
gap_fit; times include neighbour lists.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import ase.io
import numpy as np
from measuring.peer import QUIPPY
from measuring.timing import print_table

DATA = Path(__file__).parents[1] / "examples/data/mlearn_Si"
SOAP = {"n_max": 8, "l_max": 8, "cutoff": 5.0, "sigma": 0.5, "zeta": 4}
SIGMA = {"energy": 0.002, "forces": 0.1, "virial": 0.05}
POINTS = 200
ALONE = os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

QUIP = """
import json, sys, time, ase.io
from quippy.potential import Potential
potential = Potential(param_filename=sys.argv[1])
frames = ase.io.read(sys.argv[2], ":")
times, found = [], []
for atoms in [frames[0], *frames]:
    start = time.process_time()
    atoms = atoms.copy(); atoms.calc = potential; potential.reset()
    found.append((atoms.get_potential_energy(), atoms.get_forces().tolist()))
    times.append(time.process_time() - start)
print(json.dumps({"seconds": times[1:], "found": found[1:]}))
"""
OURS = """
import json, sys, time, ase.io, torch, atomgraph
torch.set_num_threads(1)
potential = atomgraph.load(sys.argv[1])
frames = ase.io.read(sys.argv[2], ":")
times, found = [], []
for atoms in [frames[0], *frames]:
    start = time.process_time()
    (one,) = potential.predict([atoms], stress=False)
    found.append((one["energy"], one["forces"].tolist()))
    times.append(time.process_time() - start)
print(json.dumps({"seconds": times[1:], "found": found[1:]}))
"""
FIT = """
import json, sys, torch, atomgraph
torch.set_num_threads(1)
from atomgraph.runs import train
train(json.loads(sys.argv[1]), quiet=True)
"""


def measure_command(command, folder):
    """Return CPU time, s, and peak memory, MB, of a command."""
    code = (
        "import json, resource, subprocess, sys\n"
        "done = subprocess.run(sys.argv[1:], capture_output=True, text=True)\n"
        "usage = resource.getrusage(resource.RUSAGE_CHILDREN)\n"
        "sys.stderr.write(done.stderr[-2000:] if done.returncode else '')\n"
        "print(json.dumps([done.returncode, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024]))\n"
    )
    done = subprocess.run([sys.executable, "-c", code, *command], capture_output=True, text=True, env=ALONE, cwd=folder)
    returned, seconds, megabytes = json.loads(done.stdout)
    if returned:
        sys.exit(done.stderr)
    return seconds, megabytes


def gap_fit(folder, symbol, isolated):
    soap = (
        f"soap n_max={SOAP['n_max']} l_max={SOAP['l_max']} cutoff={SOAP['cutoff']} cutoff_transition_width=1.0 "
        f"atom_sigma={SOAP['sigma']} zeta={SOAP['zeta']} delta=1.0 n_sparse={POINTS} sparse_method=cur_points "
        "covariance_type=dot_product add_species=T central_weight=1.0"
    )
    sigma = f"{{{SIGMA['energy']} {SIGMA['forces']} {SIGMA['virial']} 0.0}}"
    return measure_command(
        [
            str(QUIPPY.python.parent / "gap_fit"),
            "at_file=train.xyz",
            f"gap={{{soap}}}",
            f"default_sigma={sigma}",
            f"e0={{{symbol}:{isolated}}}",
            "energy_parameter_name=energy",
            "force_parameter_name=forces",
            "virial_parameter_name=virial",
            "sparse_jitter=1e-8",
            "gp_file=gap.xml",
        ],
        folder,
    )


def our_fit(folder, symbol, e0):
    config = {
        "seed": 1,
        "data": {"train": "train.xyz", "valid": None, "cache": False},
        "model": {
            "kind": "GAP",
            "elements": "auto",
            "cutoff": SOAP["cutoff"],
            "n_points": POINTS,
            "zeta": float(SOAP["zeta"]),
            "n_max": SOAP["n_max"],
            "l_max": SOAP["l_max"],
            "sigma": SOAP["sigma"],
        },
        "baseline": {"e0": {symbol: e0}, "scale": "none"},
        "fit": {"kind": "sparse_gp", "sigma": SIGMA, "jitter": 1e-8, "contradictions": "keep"},
        "output": {"folder": "run", "report": False},
    }
    return measure_command([sys.executable, "-c", FIT, json.dumps(config)], folder)


def evaluate(python, code, model, folder):
    done = subprocess.run(
        [python, "-c", code, model, "test.xyz"], capture_output=True, text=True, env=ALONE, cwd=folder, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def errors(result, frames):
    energy = np.mean([abs(e - a.info["energy"]) / len(a) for (e, _), a in zip(result, frames, strict=True)])
    forces = [np.abs(np.array(f) - a.arrays["forces"]).ravel() for (_, f), a in zip(result, frames, strict=True)]
    return f"{1000 * energy:.2f}", f"{np.concatenate(forces).mean():.4f}"


def with_gap_fit_labels(atoms):
    """Return a copy of a structure with labels under the keys of gap_fit."""
    copy = atoms.copy()
    copy.info = {"energy": atoms.get_potential_energy()}
    copy.arrays["forces"] = atoms.get_forces()
    if atoms.calc is not None and "stress" in atoms.calc.results:
        copy.info["virial"] = -atoms.get_volume() * atoms.get_stress(voigt=False)
    return copy


def main(train, test):
    QUIPPY.or_leave()
    chosen = [with_gap_fit_labels(atoms) for atoms in ase.io.read(train, ":")]
    step = len(chosen) / 60
    chosen = [chosen[int(i * step)] for i in range(60)]
    frames = [with_gap_fit_labels(atoms) for atoms in ase.io.read(test, ":")]
    (symbol,) = set(chosen[0].symbols)
    e0 = float(np.mean([a.info["energy"] / len(a) for a in chosen]))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ase.io.write(folder / "train.xyz", chosen)
        ase.io.write(folder / "test.xyz", frames)
        fits = {"gap_fit": gap_fit(folder, symbol, e0), "atomgraph": our_fit(folder, symbol, e0)}
        quip_result = evaluate(QUIPPY.python, QUIP, "gap.xml", folder)
        our_result = evaluate(sys.executable, OURS, "gap.xml", folder)
        our_fit_result = evaluate(sys.executable, OURS, "run/model.safetensors", folder)
    n_atoms = np.array([len(a) for a in frames])
    energy_difference = max(abs(a[0] - b[0]) for a, b in zip(quip_result["found"], our_result["found"], strict=True))
    scale = np.sqrt(np.mean([np.mean(np.square(forces)) for _, forces in quip_result["found"]]))
    differences = [
        np.abs(np.array(a[1]) - np.array(b[1])).max()
        for a, b in zip(quip_result["found"], our_result["found"], strict=True)
    ]
    quip_time, our_time = (1e6 * np.median(np.array(run["seconds"]) / n_atoms) for run in (quip_result, our_result))
    row = [
        f"{quip_time:.0f}",
        f"{our_time:.0f}",
        f"{quip_time / our_time:.1f}",
        f"{energy_difference:.1e}",
        f"{max(differences) / scale:.1e}",
    ]
    columns = [
        "quippy, µs/atom",
        "ours",
        "quippy / ours",
        "difference of energies, eV",
        "difference of forces / RMS",
    ]
    print_table("energies and forces of the potential of gap_fit, with neighbour lists, float64", columns, [row])
    rows = [
        [program, f"{seconds:.1f}", f"{megabytes:.0f}", *errors(result["found"], frames)]
        for (program, (seconds, megabytes)), result in zip(fits.items(), (quip_result, our_fit_result), strict=True)
    ]
    print_table(
        f"fit of 60 structures with {POINTS} sparse points", ["", "CPU time, s", "peak, MB", "meV/atom", "eV/Å"], rows
    )


if __name__ == "__main__":
    main(*(sys.argv[1:3] or [DATA / "train.xyz.gz", DATA / "test.xyz.gz"]))

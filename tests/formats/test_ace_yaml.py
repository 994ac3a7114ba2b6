"""ACE yaml: its energy written out, every way in which a file can be wrong, python-ace's own numbers."""

import os
from pathlib import Path

import ase
import numpy as np
import pytest
import torch
import yaml
from helpers.references import agree, folder, reference

from atomgraph import Potential, load
from atomgraph.errors import FormatError
from atomgraph.formats import ace_yaml
from atomgraph.formats.hints import FileHints
from atomgraph.testing.graphs import make_graph

TEXT = """global:
  DeltaSplineBins: 0.001
species:
  - speciesblock: Al
    ndensityi: 1
    npoti: FinnisSinclair
    parameters: [ 1, 1 ]
    rho_core_cut: 100000
    drho_core_cut: 250
    nradmaxi: 1
    lmaxi: 1
    rcutij: 5.0
    dcutij: 0.5
    NameOfCutoffFunctionij: cos
    nradbaseij: 2
    radbase: ChebPow
    radparameters: [ 2.5 ]
    radcoefficients: [ [ [ 0.4, 0.3 ], [ 0.7, -0.2 ] ] ]
    core-repulsion: [ 12, 0.9 ]
    nbody:
      - { type: Al Al, nr: [ 2 ], nl: [ 0 ], c: [ 2.7 ] }
      - { type: Al Al, nr: [ 1 ], nl: [ 0 ], c: [ -1.5 ] }
      - { type: Al Al Al, nr: [ 1, 1 ], nl: [ 1, 1 ], c: [ -9.0 ] }
      - { type: Al Al Al Al, nr: [ 1, 1, 1 ], nl: [ 1, 1, 0 ], lint: [ 0 ], c: [ 3.0 ], skip: true }
  - speciesblock: Al Ni
    nradmaxi: 2
    lmaxi: 1
    rcutij: 4.5
    dcutij: 0.3
    nradbaseij: 1
    radbase: SBessel
    radparameters: [ 3.2 ]
    radcoefficients: [ [ [ -2.2 ], [ 0.5 ] ], [ [ 2 ], [ 1.5 ] ] ]
    nbody:
      - { type: Al Ni, nr: [ 1 ], nl: [ 0 ], c: [ -1.0 ] }
      - { type: Al Al Ni, nr: [ 1, 2 ], nl: [ 1, 1 ], c: [ 0.3 ] }
  - speciesblock: Ni
    ndensityi: 2
    npoti: FinnisSinclairShiftedScaled
    parameters: [ 1, 1, 1, 0.5 ]
    nradmaxi: 1
    lmaxi: 2
    rcutij: 4.8
    dcutij: 1.0
    nradbaseij: 1
    radbase: ChebExpCos
    radparameters: [ 2.5 ]
    radcoefficients: [ [ [ 1.3 ], [ -0.4 ], [ 0.8 ] ] ]
    nbody:
      - { type: Ni Ni Ni, nr: [ 1, 1 ], nl: [ 2, 2 ], c: [ -0.3, 0.7 ] }
  - speciesblock: Ni Al
    nbody:
      - { type: Ni Al, nr: [ 1 ], nl: [ 0 ], c: [ 0.9, 0.2 ] }
metadata:
  origin: typed by hand
"""
ALLOY = ase.Atoms("Al2Ni2", [[0, 0, 0], [2.2, 0.2, 0], [0.1, 2.3, 0.3], [1.0, 1.2, 2.4]], cell=[6, 6.5, 7], pbc=True)


def written(path, text=TEXT):
    file = path / "alloy.yaml"
    file.write_text(text)
    return file


def test_opens_like_any_potential_and_its_forces_are_gradients(tmp_path):
    potential = load(written(tmp_path))
    assert potential.elements == ["Al", "Ni"] and potential.cutoff == 5.0
    assert potential.metadata["origin"] == {
        "format": "ACE",
        "file": "alloy.yaml",
        "metadata": {"origin": "typed by hand"},
    }
    forces = potential.predict([ALLOY])[0]["forces"]
    for atom, axis in ((0, 0), (3, 2)):
        moved = [ALLOY.copy(), ALLOY.copy()]
        moved[0].positions[atom, axis] += 1e-4
        moved[1].positions[atom, axis] -= 1e-4
        high, low = (result["energy"] for result in potential.predict(moved))
        assert forces[atom, axis] == pytest.approx(-(high - low) / 2e-4, abs=1e-6)


def test_survives_saving(tmp_path):
    potential = load(written(tmp_path))
    potential.save(tmp_path / "alloy.safetensors")
    again = load(tmp_path / "alloy.safetensors")
    assert again.predict([ALLOY])[0]["energy"] == potential.predict([ALLOY])[0]["energy"]


def test_neither_default_dtype_nor_seed_matters(tmp_path):
    file, before = written(tmp_path), torch.get_rng_state()
    result = load(file).predict([ALLOY])[0]["energy"]
    torch.set_default_dtype(torch.float64)
    try:
        assert load(file).predict([ALLOY])[0]["energy"] == result
    finally:
        torch.set_default_dtype(torch.float32)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_pair_is_its_formula(tmp_path):
    """Functions of one factor have g_k; two of degree 1 have −√3 R², R = Σ c g, of one neighbour."""
    r = 3.1
    x = 1 - 2 * (1 - r / 5.0) ** 2.5
    g = np.array([(1 - x) / 2, (1 - (2 * x * x - 1)) / 2])
    rho = 2.7 * g[1] - 1.5 * g[0] + 9.0 * np.sqrt(3.0) * (g @ [0.7, -0.2]) ** 2
    core = 12 / r * np.exp(-0.9 * r * r) * np.cos(np.pi * r / 10) ** 2
    result = load(written(tmp_path)).predict([ase.Atoms("Al2", [[0, 0, 0], [0, 0, r]])])[0]["energy"]
    assert result == pytest.approx(2 * (rho + core), abs=1e-12)


def test_columns_are_in_python_aces_order_and_skipped_ones_are_left_out(tmp_path):
    featurizer = load(written(tmp_path)).model.branches[0].featurizer
    orders = [(f.rank, f.neighbours, f.ns) for f in featurizer.functions[0]]
    assert orders == [(1, (0,), (1,)), (1, (0,), (2,)), (1, (1,), (1,)), (2, (0, 0), (1, 1)), (2, (0, 1), (1, 2))]
    assert [f.rank for f in featurizer.functions[1]] == [1, 2]


def test_old_rows_of_coefficients_are_read(tmp_path):
    """Files of old have them in one row, g outermost."""
    data = yaml.safe_load(TEXT)
    block = data["species"][1]
    block["radcoefficients"] = np.transpose(block["radcoefficients"], (2, 0, 1)).ravel().tolist()
    energies = [load(written(tmp_path, text)).predict([ALLOY])[0]["energy"] for text in (TEXT, yaml.safe_dump(data))]
    assert energies[0] == energies[1]


def test_nobelium_is_no_no(tmp_path):
    text = TEXT[: TEXT.index("  - speciesblock: Al Ni")].replace("Al", "No").replace("type: No", "type: No")
    assert load(written(tmp_path, text)).elements == ["No"]


@pytest.mark.parametrize(
    ("was", "becomes", "message"),
    [
        ("radbase: SBessel", "radbase: SBesel", "unknown radial basis 'SBesel'; did you mean SBessel"),
        ("radbase: SBessel", "radbase: [1]", "unknown radial basis"),
        (
            "npoti: FinnisSinclair\n",
            "npoti: FinisSinclair\n",
            "unknown embedding 'FinisSinclair'; did you mean FinnisSinclair",
        ),
        ("    npoti: FinnisSinclair\n", "", "unknown embedding 'None'"),
        ("parameters: [ 1, 1, 1, 0.5 ]", "parameters: [ 1, 1, 1 ]", "two numbers for each of 2 densities"),
        ("parameters: [ 1, 1, 1, 0.5 ]", "parameters: [ 1, 1, 1, 0 ]", "positive exponent"),
        ("parameters: [ 1, 1, 1, 0.5 ]", "parameters: [ 1, 1, 1, .nan ]", "finite"),
        ("ndensityi: 2", "ndensityi: 1.5", "whole number"),
        ("ndensityi: 2", "ndensityi: 100000000", "whole number up to"),
        ("c: [ -0.3, 0.7 ]", "c: [ -0.3 ]", "one per density of Ni"),
        ("c: [ -0.3, 0.7 ]", "c: [ -0.3, .inf ]", "finite numbers"),
        ("c: [ -0.3, 0.7 ]", "c: { a: 1 }", "numbers in rows"),
        (
            "[ [ [ -2.2 ], [ 0.5 ] ], [ [ 2 ], [ 1.5 ] ] ]",
            "[ [ [ -2.2 ], [ 0.5 ] ] ]",
            r"should be \(2, 2, 1\), but are",
        ),
        ("[ [ [ -2.2 ], [ 0.5 ] ], [ [ 2 ], [ 1.5 ] ] ]", "[ [ [ -2.2 ], [ 0.5 ] ], 3 ]", "rows of equal length"),
        ("    radcoefficients: [ [ [ -2.2 ], [ 0.5 ] ], [ [ 2 ], [ 1.5 ] ] ]\n", "", "has no radcoefficients"),
        ("nradmaxi: 2", "nradmaxi: many", "should be numbers"),
        ("    rcutij: 4.5\n", "", "'Al Ni' has no rcutij"),
        ("rcutij: 4.5", "rcutij: -4.5", "cutoff > 0"),
        ("dcutij: 0.3", "dcutij: 9.0", "0 ≤ width ≤ cutoff"),
        ("radparameters: [ 3.2 ]", "radparameters: [ 1, 2 ]", "one number"),
        ("core-repulsion: [ 12, 0.9 ]", "core-repulsion: [ 12 ]", "two numbers"),
        ("core-repulsion: [ 12, 0.9 ]", "inner_cutoff_type: mean", "'mean', which is not supported"),
        ("core-repulsion: [ 12, 0.9 ]", "r_in: 1.5", "'density', which is not supported"),
        ("core-repulsion: [ 12, 0.9 ]", "inner_cutoff_type: distance", "differ in inner_cutoff_type"),
        ("NameOfCutoffFunctionij: cos", "NameOfCutoffFunctionij: tanh", "'tanh', which is not supported"),
        ("    dcutij: 0.3\n", "    dcutij: 0.3\n    basis: mine\n", "a block holds 'basis', which is not supported"),
        ("global:", "E0: 1\nglobal:", "the file holds 'E0', which is not supported"),
        ("DeltaSplineBins: 0.001", "DeltaSplineBins: 0.001\n  units: 1", "the mapping global holds 'units'"),
        ("nl: [ 2, 2 ]", "nl: [ 2, 2 ], power: 1", "holds 'power', which is not supported"),
        ("nl: [ 2, 2 ]", "nl: [ 2, 1 ]", "do not couple to 0"),
        ("nl: [ 2, 2 ]", "nl: [ 3, 3 ]", "larger n or l than the blocks have"),
        ("nl: [ 2, 2 ]", "nl: [ 300, 300 ]", "are not supported: a degree is at most 12"),
        ("nl: [ 2, 2 ]", "nl: [ 2.5, 2 ]", "whole numbers"),
        ("nl: [ 2, 2 ]", "nl: [ 2, 2, 2 ]", "does not fit its type"),
        ("nr: [ 1, 2 ]", "nr: [ 1, 3 ]", "larger n or l than the blocks have"),
        ("type: Ni Al,", "type: Al Ni,", "does not fit the elements of the block"),
        ("type: Ni Al,", "type: Ni Xx,", "does not fit the elements of the block"),
        ("skip: true", "skip: perhaps", "true or false"),
        (
            "  - speciesblock: Ni Al\n    nbody:\n      - { type: Ni Al,",
            "  - speciesblock: Ni\n    nbody:\n      - { type: Ni Ni,",
            "occurs twice",
        ),
        ("  - speciesblock: Ni Al\n", "  - speciesblock: Ni Al Al\n", "repeats an element"),
        (
            "  - speciesblock: Ni Al\n",
            "  - speciesblock: Ni Al\n    npoti: FinnisSinclair\n",
            "which is not valid for 2 elements",
        ),
        ("  - speciesblock: Ni Al\n", "  - speciesblock: Ni Al\n    lmaxi: 1\n", "has no nradmaxi"),
        ("  - speciesblock: Ni Al\n", "  - speciesblock:\n", "no speciesblock"),
        ("    nbody:\n      - { type: Ni Al,", "    nbody:\n      a: { type: Ni Al,", "should be a list"),
    ],
)
def test_unsupported_settings_are_refused(tmp_path, was, becomes, message):
    assert was in TEXT
    with pytest.raises(FormatError, match=message) as refused:
        ace_yaml.read(written(tmp_path, TEXT.replace(was, becomes, 1)), FileHints())
    assert "alloy.yaml" in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.parametrize("symbol", ["Al", "Al Ni", "Ni", "Ni Al"])
def test_refuses_a_file_without_one_of_its_blocks(tmp_path, symbol):
    data = yaml.safe_load(TEXT)
    data["species"] = [block for block in data["species"] if block["speciesblock"] != symbol]
    with pytest.raises(
        FormatError,
        match=r"is missing; that block|in the other order|no lmaxi|a pair of elements that no block describes",
    ):
        ace_yaml.read(written(tmp_path, yaml.safe_dump(data)), FileHints())


def test_blocks_that_contradict_each_other_are_refused(tmp_path):
    data = yaml.safe_load(TEXT)
    own = {key: value for key, value in data["species"][1].items() if key not in ("speciesblock", "nbody")}
    data["species"][3] |= own | {"rcutij": 4.4}
    with pytest.raises(FormatError, match="'Al Ni' and 'Ni Al' differ in rcutij"):
        ace_yaml.read(written(tmp_path, yaml.safe_dump(data)), FileHints())


def test_elements_and_units_that_contradict_the_file_are_refused(tmp_path):
    with pytest.raises(FormatError, match="is for Al, Ni, but the user states Mo"):
        load(written(tmp_path), elements=["Mo"])
    with pytest.raises(FormatError, match="is in eV and Å"):
        load(written(tmp_path), units="kcal/mol/Å")


@pytest.mark.parametrize(
    "text", ["[" * 5000, "species: !!int x", "species: !!bool x", "species: !!float ''", "a: b: c", "x: \0"]
)
def test_what_is_no_yaml_is_refused(tmp_path, text):
    with pytest.raises(FormatError, match="copy it again"):
        ace_yaml.read(written(tmp_path, f"global:\n  DeltaSplineBins: 1\n{text}"), FileHints())


def test_a_file_cut_short_is_refused_or_complete_yaml(tmp_path):
    with pytest.raises(FormatError, match="may be cut short"):
        ace_yaml.read(written(tmp_path, TEXT[: TEXT.index("species:")]), FileHints())
    with pytest.raises(FormatError, match="not complete YAML"):
        ace_yaml.read(written(tmp_path, TEXT[: TEXT.index("[ 1, 1, 1, 0.5") + 4]), FileHints())
    file, refused = written(tmp_path), 0
    for length in range(30, len(TEXT), 37):  # cut between two functions it is whole, with fewer of them
        file.write_text(TEXT[:length])
        try:
            assert ace_yaml.read(file, FileHints())[0].elements in (["Al"], ["Al", "Ni"])
        except FormatError:
            refused += 1
    assert refused > 30


def test_damage_is_refused_by_name_or_read_never_a_traceback(tmp_path):
    """Bytes deleted, altered, or exchanged at random; numbers made large; what is left is read or a FormatError of one line."""
    random, file, refused = np.random.default_rng(0), tmp_path / "damaged.yaml", 0
    words = [
        b"-1",
        b"1e400",
        b".nan",
        b"[]",
        b"{}",
        b"null",
        b"true",
        b"2001-01-01",
        b"99999999999999999999",
        b"*x",
        b"'",
    ]
    for _ in range(150):
        content = bytearray(TEXT.encode())
        for _ in range(random.integers(1, 4)):
            first = int(random.integers(len(content)))
            last = first + int(random.integers(0, 9))
            kind = random.integers(4)
            if kind == 0:
                del content[first:last]
            elif kind == 1:
                content[first] = int(random.integers(256))
            elif kind == 2:
                content[first:last] = words[random.integers(len(words))]
            else:
                numbers = [i for i, byte in enumerate(content) if 48 <= byte < 58]
                place = numbers[random.integers(len(numbers))]
                content[place : place + 1] = words[random.integers(len(words))]
        file.write_bytes(content)
        try:
            ace_yaml.read(file, FileHints())
        except FormatError as error:
            refused += 1
            assert "\n" not in str(error)
    assert refused > 50


def test_other_files_are_not_recognised(tmp_path):
    for text in ("elements: [Al]\ndeltaSplineBins: 0.001\n", "species: [H]\n", "model:\n  kind: ACE\n", ""):
        file = written(tmp_path, text)
        assert not ace_yaml.recognises(file, text.encode())
    assert ace_yaml.recognises(written(tmp_path), TEXT.encode()[:4096])
    with pytest.raises(FormatError, match=r"LAMMPS's form \(\.yace; use the \.yaml"):
        load(written(tmp_path, "elements: [Al]\ndeltaSplineBins: 0.001\n"))


# Forces of these are farther from python-ace's than 1e-8 eV/Å, since python-ace interpolates its radial functions
# between tables in steps h of 0.001 Å: the derivative of a cubic has an error of h³ times a fourth derivative.
# Against the same files with steps of 0.0001 Å the differences are 40 to 1000 times smaller, 7e-10 eV/Å and, for
# Al.pbe.13.2, 4e-8 of 1.1e3, which is rounding (`test_equal_to_python_ace_in_fine_steps`). Here each has a bound of
# its own, relative to the largest force.
INTERPOLATED = {
    "Al.pbe.13.2@alloy4": 2e-9,
    "ethanol@ethanol": 1e-8,
    "ethanol@water_like": 4e-9,
    "r_chebexpcos_HLiO@lioh6": 5e-9,
    "r_chebexpcos_HOC@water8_tri": 1e-9,
}


@pytest.mark.refs
@pytest.mark.parametrize("name", ["ace_published", "ace_random"])
def test_equal_to_python_ace(name):
    arrays, conventions = reference(name)
    potentials = {}
    for case in conventions["cases"]:
        model = case.split("@")[0]
        if model not in potentials:
            potentials[model] = load(folder() / "ace_models" / f"{model}.yaml")
        potential = potentials[model]
        atoms, result = predicted(potential, arrays, case)
        energies, forces = arrays[f"{case}/atomic_energy"], arrays[f"{case}/forces"]
        largest = np.abs(forces).max()
        agree(name, "atomic energy", result["node_energy"], energies, atol=1e-9, case=case)
        assert case not in INTERPOLATED or INTERPOLATED[case] * largest > 1e-8
        tolerance = INTERPOLATED[case] * largest if case in INTERPOLATED else 1e-8
        interpolated = ", where python-ace interpolates" if case in INTERPOLATED else ""
        agree(name, f"forces{interpolated}", result["forces"], forces, atol=tolerance, case=case)
        if f"{case}/stress" in arrays:
            stress = arrays[f"{case}/stress"]
            tolerance = max(tolerance, 1e-10 * np.abs(stress).max())
            agree(name, "stress", result["stress"], stress, atol=tolerance, case=case)
        h = potential.descriptors(make_graph(atoms, potential.cutoff)).detach().numpy()
        compare_projections(h, arrays[f"{case}/B_projections"], case)


def compare_projections(ours, theirs, case):
    """Rows of python-ace are as long as the element has functions; the reference files fill them with NaN, we with zeros."""
    ours, empty = ours[:, : theirs.shape[1]], np.isnan(theirs)
    assert not ours[empty].any(), case
    scale = max(1.0, np.abs(theirs[~empty]).max(initial=0.0))
    np.testing.assert_allclose(ours[~empty] / scale, theirs[~empty] / scale, rtol=0, atol=1e-11, err_msg=case)


def predicted(potential, arrays, case):
    atoms = ase.Atoms(**{key: arrays[f"{case}/{key}"] for key in ("numbers", "positions", "cell", "pbc")})
    return atoms, potential.predict([atoms])[0]


@pytest.mark.refs
def test_equal_to_python_ace_in_fine_steps():
    """Every radial basis, embedding, core and inner cutoff, made by tests/peers/python_ace/variants.py."""
    built = os.environ.get("ATOMGRAPH_ACE_VARIANTS", "")
    if not built:
        pytest.skip("ATOMGRAPH_ACE_VARIANTS does not name the folder that tests/peers/python_ace/variants.py made")
    with np.load(Path(built) / "variants.npz") as stored:
        arrays = dict(stored)
    potentials = {}
    for case in sorted({key.split("/")[0] for key in arrays}):
        model = case.split("@")[0]
        if model not in potentials:
            potentials[model] = Potential(ace_yaml.read(Path(built) / f"{model}.yaml", FileHints())[0]).eval()
        _, result = predicted(potentials[model], arrays, case)
        energies, forces = arrays[f"{case}/atomic_energy"], arrays[f"{case}/forces"]
        scale = [max(1.0, np.abs(numbers).max()) for numbers in (energies, forces)]
        np.testing.assert_allclose(result["node_energy"], energies, rtol=0, atol=1e-11 * scale[0], err_msg=case)
        np.testing.assert_allclose(result["forces"], forces, rtol=0, atol=1e-9 * scale[1], err_msg=case)


def test_aliases_that_stand_for_a_flood_of_values_are_refused(tmp_path):
    lines = ["a0: &a0 [ 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 ]"]
    lines += [f"a{n}: &a{n} [ {', '.join([f'*a{n - 1}'] * 10)} ]" for n in range(1, 12)]
    bomb = "\n".join(f"  {line}" for line in lines)
    text = TEXT.replace("radcoefficients: [ [ [ 0.4, 0.3 ], [ 0.7, -0.2 ] ] ]", "radcoefficients: *a11")
    with pytest.raises(FormatError, match="stand for more than a million values"):
        load(written(tmp_path, text.replace("global:\n", f"global:\n{bomb}\n")))
    with pytest.raises(FormatError, match="refers to itself"):
        load(written(tmp_path, TEXT.replace("[ 0.4, 0.3 ]", "&x [ 0.4, *x ]")))
    with pytest.raises(FormatError, match="merges mappings"):
        load(written(tmp_path, TEXT.replace("DeltaSplineBins: 0.001", "a: &a {b: 1}\n  <<: *a")))


def test_an_alias_that_stands_for_a_few_numbers_is_read(tmp_path):
    text = TEXT.replace("[ [ [ 1.3 ], [ -0.4 ], [ 0.8 ] ] ]", "[ [ &x [ 1.3 ], [ -0.4 ], *x ] ]")
    second = TEXT.replace("[ [ [ 1.3 ], [ -0.4 ], [ 0.8 ] ] ]", "[ [ [ 1.3 ], [ -0.4 ], [ 1.3 ] ] ]")
    energies = [load(written(tmp_path, words)).predict([ALLOY])[0]["energy"] for words in (text, second)]
    assert energies[0] == energies[1]


@pytest.mark.parametrize(
    "deep", ["[" * 100_000, "{a: " * 100_000, "\n" + "- " * 100_000 + "1", "\n" + "? " * 100_000 + "1"]
)
def test_nesting_without_end_is_refused_and_does_not_end_the_process(tmp_path, deep):
    with pytest.raises(FormatError, match="nested too deeply"):
        load(written(tmp_path, TEXT.replace("[ 2.7 ]", deep)))

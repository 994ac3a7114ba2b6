"""VASP's runs: ionic steps whose electrons did not converge are left out and counted."""

import numpy as np
import pytest
from ase.units import GPa

from atomgraph.data import read
from atomgraph.data.formats.vasp import outcar_convergence, xml_convergence
from atomgraph.data.reading_notes import ReadingNotes
from atomgraph.errors import DataError
from atomgraph.graph.structure import get_labels

REACHED = "------------------------ aborting loop because EDIFF is reached ----------------------------------------"
NOT_REACHED = "------------------------ aborting loop EDIFF was not reached (unconverged)  ----------------------------"


def step(number: int, electronic: int, said: str, energy: float, force: float) -> str:
    """An ionic step of an OUTCAR: two copper atoms in a box of 4 x 4 x 8 Å."""
    terms = "Alpha Z|Ewald|Ewald|Ewald|Hartree|E(xc)|Local|n-local|augment|Kinetic|Fock"
    terms = "".join(f"  {name:10}  0.00  0.00  0.00  0.00  0.00  0.00\n" for name in terms.split("|"))
    loops = "".join(f"----- Iteration  {number:4d}({n:4d})  -----\n" for n in range(1, electronic + 1))
    return f"""{loops}{said}

  FORCE on cell =-STRESS in cart. coord.  units (eV):
  Direction    XX          YY          ZZ          XY          YZ          ZX
  --------------------------------------------------------------------------------------
{terms}  -------------------------------------------------------------------------------------
  Total       0.00  0.00  0.00  0.00  0.00  0.00
  in kB       {10 * number}.0        20.0        30.0         4.0         5.0         6.0
  external pressure =        0.00 kB  Pullay stress =        0.00 kB

 VOLUME and BASIS-vectors are now :
 -----------------------------------------------------------------------------
  energy-cutoff  :      400.00
  volume of cell :      128.00
      direct lattice vectors                 reciprocal lattice vectors
     4.000000000  0.000000000  0.000000000     0.250000000  0.000000000  0.000000000
     0.000000000  4.000000000  0.000000000     0.000000000  0.250000000  0.000000000
     0.000000000  0.000000000  8.000000000     0.000000000  0.000000000  0.125000000

 POSITION                                       TOTAL-FORCE (eV/Angst)
 -----------------------------------------------------------------------------------
      0.00000      0.00000      0.00000         {force:.6f}      0.000000      0.000000
      0.00000      0.00000      2.50000        {-force:.6f}      0.000000      0.000000
 -----------------------------------------------------------------------------------
    total drift:                                0.000000      0.000000      0.000000

  FREE ENERGIE OF THE ION-ELECTRON SYSTEM (eV)
  ---------------------------------------------------
  free  energy   TOTEN  =        {energy - 0.1:.8f} eV

  energy  without entropy=       {energy + 0.1:.8f}  energy(sigma->0) =        {energy:.8f}
"""


HEADER = """ vasp.6.3.0 18Jan22
 POTCAR:    PAW_PBE Cu 22Jun2005
 POTCAR:    PAW_PBE Cu 22Jun2005
   VRHFIN =Cu: d10 p1
   NELM   =      5;   NELMIN=  2; NELMDL= -5     # of ELM steps
   ISPIN  =      1    spin polarized calculation?
   ions per type =               2
   number of dos      NEDOS =    301   number of ions     NIONS =      2
"""
OUTCAR = HEADER + step(1, 3, REACHED, -3.0, 0.1) + step(2, 5, NOT_REACHED, -9.0, 9.0) + step(3, 4, REACHED, -3.2, 0.3)


def test_unconverged_steps_of_an_outcar_are_left_out_and_counted(tmp_path):
    path = tmp_path / "OUTCAR"
    path.write_text(OUTCAR)
    notes = ReadingNotes()
    frames = read(path, notes=notes)
    assert [get_labels(atoms)["energy"] for atoms in frames] == pytest.approx([-3.0, -3.2])
    assert [atoms.info["source"] for atoms in frames] == [f"{path}#0", f"{path}#2"]
    assert notes.lines()[0] == f"{path}: 1 unconverged step left out"
    stress = get_labels(frames[1])["stress"]
    expected = -0.1 * GPa * np.array([[30, 4, 6], [4, 20, 5], [6, 5, 30]])
    np.testing.assert_allclose(stress, expected, rtol=1e-6)
    assert len(read(path, labels=False)) == 3  # positions are positions


def test_a_loop_of_nelm_steps_is_unconverged_where_vasp_does_not_say(tmp_path):
    path = tmp_path / "OUTCAR"
    path.write_text(HEADER + step(1, 3, "", -3.0, 0.1) + step(2, 5, "", -9.0, 9.0))
    assert outcar_convergence(path) == [True, False]


def test_units_of_an_outcar_are_fixed(tmp_path):
    path = tmp_path / "OUTCAR"
    path.write_text(OUTCAR)
    assert len(read(path, units={"energy": "eV"})) == 2
    with pytest.raises(DataError, match=r"OUTCAR\) has the fixed units .*remove the stated units \(stress: kbar\)"):
        read(path, units={"stress": "kbar"})


def test_unconverged_steps_of_a_vasprun_are_those_of_nelm_steps(tmp_path):
    path = tmp_path / "vasprun.xml"
    calculation = "<calculation>{}</calculation>"
    text = '<modeling><parameters><i type="int" name="NELM">    3</i></parameters>'
    text += calculation.format("<scstep/>" * 2) + calculation.format("<scstep/>" * 3) + "</modeling>"
    path.write_text(text)
    assert xml_convergence(path) == [True, False]
    path.write_text(text[:-20])  # a run that was stopped
    assert xml_convergence(path)[0]

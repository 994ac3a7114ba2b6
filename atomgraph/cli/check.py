"""atomgraph check DATA [--against OTHER]"""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from atomgraph.atomic_write import write_text
from atomgraph.cli.options import FormatName, LabelKeys, LabelUnits, Structures, Types, entries
from atomgraph.cli.output_paths import check_file
from atomgraph.data import census, fingerprint, read
from atomgraph.data.checks import examine
from atomgraph.data.checks.connections import connections
from atomgraph.data.checks.findings import NOTE, WARNING, WRONG, Finding
from atomgraph.data.checks.label_findings import reading_findings
from atomgraph.data.reading_notes import ReadingNotes
from atomgraph.progress import output_console

MAX_SHOWN = 5  # maximum number of findings of one kind on the terminal; the JSON file contains all findings

Against = Annotated[list[str] | None, typer.Option(help="Files of another part; a frame in both parts is an error.")]
Tolerance = Annotated[
    float, typer.Option(help="RMS displacement in Å below which two structures are duplicates.", min=0.0)
]
Cutoff = Annotated[float | None, typer.Option(help="Cutoff in Å for statistics of graphs.")]
Json = Annotated[Path | None, typer.Option("--json", help="Also write census and findings to this JSON file.")]


def check(
    data: Structures,
    against: Against = None,
    cutoff: Cutoff = None,
    tolerance: Tolerance = 0.003,
    key: LabelKeys = None,
    unit: LabelUnits = None,
    types: Types = None,
    format: FormatName = None,
    json_file: Json = None,
) -> int:
    """Check data: census, duplicates, short contacts, force sums, outliers, signs and units, leakage.

    Exit code 1 for errors that must be corrected before training: unusable frames, duplicates with different energies,
    impossible contacts, a large sum of forces, placeholders as labels, wrong signs or units, energies that are off by more
    than 20 eV/atom, and frames in both parts (--against). Exit code 0 for warnings and notes.
    """
    if json_file is not None:
        check_file(json_file, overwrite=True, inputs=[*data, *(against or [])])
    options: dict[str, Any] = {"keys": entries(key), "units": entries(unit), "types": types, "format": format}
    faults: list[str] = []  # FRAME: REASON of each unusable frame
    notes = ReadingNotes()
    frames = read([str(path) for path in data], faults=faults, notes=notes, **options)
    other_frames = read(against, **options) if against else None
    data_census = census(frames, notes.lines())
    findings = [_fault_finding(fault) for fault in faults] + reading_findings(notes)
    findings += examine(frames, against=other_frames, cutoff=cutoff, tolerance=tolerance)
    findings.sort(key=lambda finding: [WRONG, WARNING, NOTE].index(finding.severity))
    console = output_console(soft_wrap=True)
    console.print(data_census)
    if cutoff is not None:
        console.print(connections(frames, cutoff).describe())
    console.print()
    _print_findings(console, findings)
    if json_file is not None:
        record = {
            "fingerprint": fingerprint(frames),
            "census": data_census.to_json(),
            "findings": [finding.to_json() for finding in findings],
        }
        write_text(json_file, json.dumps(record, indent=1) + "\n")
    return int(any(finding.severity == WRONG for finding in findings))


def _fault_finding(fault: str) -> Finding:
    """Return the finding for a frame that cannot be used, from ``FRAME: REASON``."""
    frame, _, reason = fault.partition(": ")
    return Finding(
        "unusable frame",
        WRONG,
        [frame],
        0.0,
        "",
        reason,
        "correct or remove the frame; training stops with an error for such frames",
    )


def _print_findings(console: Console, findings: list[Finding]) -> None:
    """Print findings by severity and kind of check."""
    if not findings:
        console.print("nothing found: no duplicates, short contacts, net forces, outliers or contradictions")
        return
    by_check: dict[tuple[str, str], list[Finding]] = defaultdict(list)
    for finding in findings:
        by_check[finding.severity, finding.check].append(finding)
    for (severity, name), group in by_check.items():
        console.print(Text(f"{severity}: {name}, {len(group)} found", style="bold"))
        for finding in sorted(group, key=lambda entry: -abs(entry.value))[:MAX_SHOWN]:  # largest values first
            frames = ", ".join(Path(frame).name for frame in finding.frames[:4]) + (
                " ..." if len(finding.frames) > 4 else ""
            )
            console.print(Text(f"  {frames}: {finding.message}" if frames else f"  {finding.message}"))
        if len(group) > MAX_SHOWN:
            console.print(Text(f"  and {len(group) - MAX_SHOWN} more (all with --json FILE)"))
        for advice in sorted({finding.advice for finding in group}):
            console.print(Text(f"  → {advice}"))

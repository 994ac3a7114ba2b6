"""The argument MODEL and its options, loaded as a Potential."""

from __future__ import annotations

from collections.abc import Sequence

from atomgraph.cli.import_option import import_modules
from atomgraph.compiled import keep_memory
from atomgraph.data.formats.element_names import parse_symbol
from atomgraph.loading import load
from atomgraph.potential import Potential


def load_model(
    model: str,
    *,
    head: str | None = None,
    elements: str | None = None,
    units: str | None = None,
    device: str = "cpu",
    dtype: str | None = None,
    imports: Sequence[str] | None = None,
) -> Potential:
    """Load the potential after importing modules of the user; errors are those of ``load``.

    The process keeps freed memory from here on, for the next evaluations.
    """
    import_modules(imports)
    keep_memory()
    symbols = None if elements is None else symbols_in(elements)
    return load(model, device=device, dtype=dtype, head=head, elements=symbols, units=units)


def symbols_in(text: str) -> list[str]:
    """Chemical symbols of a list with commas, given as symbols in any case or atomic numbers; DataError for others."""
    return [parse_symbol(word.strip()) for word in text.split(",") if word.strip()]

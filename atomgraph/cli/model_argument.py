"""Load the potential of the argument MODEL with its options."""

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
    """Import the user's modules and load the potential.

    Args:
        model: Path or public name, see ``atomgraph.load``.
        head: Name of the head; None: no head is chosen.
        elements: Chemical symbols with commas, for files without elements; None: the elements of the file.
        units: Units of the file, for files without units; None: the units of the file.
        device: Device of the potential.
        dtype: Dtype of the weights; None: the dtype of the file.
        imports: Names of modules with the user's parts; None: no modules.

    Raises:
        AtomgraphError: The errors of ``atomgraph.load``.
    """
    import_modules(imports)
    keep_memory()  # freed memory stays with the process for the next evaluations
    symbols = None if elements is None else symbols_in(elements)
    return load(model, device=device, dtype=dtype, head=head, elements=symbols, units=units)


def symbols_in(text: str) -> list[str]:
    """Return chemical symbols from a text with commas.

    Args:
        text: Symbols in upper or lower case, or atomic numbers.

    Raises:
        DataError: If a word is neither a symbol nor an atomic number.
    """
    return [parse_symbol(word.strip()) for word in text.split(",") if word.strip()]

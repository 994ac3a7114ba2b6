"""The table of public models: ``models.toml``, or the file named by ATOMGRAPH_MODELS."""

from __future__ import annotations

import os
import tomllib
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from ase.data import chemical_symbols
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from atomgraph.errors import ConfigError, nearest

DEFAULT_TABLE = Path(__file__).with_name("models.toml")
VARIABLE = "ATOMGRAPH_MODELS"
PERMISSIVE = ("MIT", "Apache-2.0", "BSD-3-Clause", "CC-BY-4.0", "CC0-1.0")  # licences that require at most attribution


def _expand_elements(value: Any) -> Any:
    """Expand ranges of elements by atomic number: ``"H-Bi, Ac-Pu"`` to a tuple of chemical symbols."""
    if not isinstance(value, str):
        return value
    symbols: list[str] = []
    for part in value.split(","):
        first_symbol, _, last_symbol = (word.strip() for word in part.partition("-"))
        start = chemical_symbols.index(first_symbol)
        symbols += chemical_symbols[start : chemical_symbols.index(last_symbol or first_symbol) + 1]
    return tuple(symbols)


class PublicModel(BaseModel):
    """One public model: its address, licence, elements and level of theory.

    Attributes:
        name: Name for ``atomgraph.load``.
        address: Address of the file.
        licence: SPDX name of the licence.
        terms: A sentence about the terms of the licence.
        sha256: Checksum of the file, hexadecimal; None if its publishers state none.
        size: Size of the file, bytes; None if unknown.
        date: Date on which the size was read.
        elements: Chemical symbols; None if unknown.
        theory: Level of theory of the training data.
        cite: Publication to cite.
        package: Requirement of the Python package that contains the file, such as ``sevenn==0.10.0``; None if there is none.
        member: Path of the file in that package.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str
    address: str
    licence: str
    terms: str = ""
    sha256: str | None = None
    size: int | None = None
    date: str | None = None
    elements: Annotated[tuple[str, ...] | None, BeforeValidator(_expand_elements)] = None
    theory: str = ""
    cite: str = ""
    package: str | None = None
    member: str | None = None

    @property
    def verified_by(self) -> str:
        """Method by which a download is verified, as text."""
        if self.sha256 is not None:
            return "SHA-256"
        return "not verified" if self.size is None else f"size only ({self.size} bytes, {self.date or 'no date'})"

    @property
    def notice(self) -> str:
        """A sentence about the licence, shown before the first use."""
        terms_text = f" ({self.terms})" if self.terms else ""
        if self.licence in PERMISSIVE:
            return f"{self.name} is under the {self.licence} licence{terms_text}"
        kind = "the Academic Software License, ASL: for non-commercial use" if self.licence == "ASL" else self.licence
        return f"{self.name} is under {kind}; by using it you accept its terms{terms_text}"


def public_models() -> dict[str, PublicModel]:
    """Return all public models by name.

    Raises:
        ConfigError: If the table cannot be read.
    """
    return _read(Path(os.environ.get(VARIABLE) or DEFAULT_TABLE))


def public_name(text: str) -> str | None:
    """Return the name of a public model for a text in upper or lower case; None if the text is a path.

    A text with a path separator, a dot or a tilde is a path.

    Raises:
        ConfigError: If the text is neither a path nor the name of a public model.
    """
    word = text.lower()
    if word in public_models():
        return word
    if any(mark in text for mark in ("/", "\\", ".", "~")) or not word:
        return None
    suggestion = nearest(word, public_models())
    raise ConfigError(
        f"no potential at {text}, and no public model of this name{suggestion} (`atomgraph models` lists them)"
    )


@cache
def _read(path: Path) -> dict[str, PublicModel]:
    try:
        table = tomllib.loads(path.read_text())
        terms = table.get("terms", {})
        return {
            name: PublicModel(name=name, **{"terms": terms.get(entry.get("licence"), ""), **entry})
            for name, entry in table["models"].items()
        }
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"the table of public models {path} cannot be read: {error}") from None
    except (KeyError, TypeError, AttributeError, ValidationError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"{path} is not a valid table of public models: {reason}") from None

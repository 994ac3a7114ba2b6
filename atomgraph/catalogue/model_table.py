"""The table of public models: ``models.toml``, or another one that ATOMGRAPH_MODELS names."""

from __future__ import annotations

import os
import tomllib
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from ase.data import chemical_symbols
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from atomgraph.errors import ConfigError, nearest

OWN = Path(__file__).with_name("models.toml")
VARIABLE = "ATOMGRAPH_MODELS"
FREE = ("MIT", "Apache-2.0", "BSD-3-Clause", "CC-BY-4.0", "CC0-1.0")  # licences that ask for no more than a mention


def _spread(value: Any) -> Any:
    """``"H-Bi, Ac-Pu"`` as symbols, by atomic number."""
    if not isinstance(value, str):
        return value
    symbols: list[str] = []
    for part in value.split(","):
        first, _, last = (word.strip() for word in part.partition("-"))
        start = chemical_symbols.index(first)
        symbols += chemical_symbols[start : chemical_symbols.index(last or first) + 1]
    return tuple(symbols)


class PublicModel(BaseModel):
    """One public model: where it is, under which licence, what it is for."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str
    address: str
    licence: str
    terms: str = ""
    sha256: str | None = None
    size: int | None = None
    date: str | None = None
    elements: Annotated[tuple[str, ...] | None, BeforeValidator(_spread)] = None
    theory: str = ""
    cite: str = ""

    @property
    def verified_by(self) -> str:
        """What a download is compared with, in words."""
        if self.sha256 is not None:
            return "SHA-256"
        return "not verified" if self.size is None else f"size only ({self.size} bytes, {self.date or 'no date'})"

    @property
    def notice(self) -> str:
        """What one should know before using it."""
        end = f" ({self.terms})" if self.terms else ""
        if self.licence in FREE:
            return f"{self.name} is under the {self.licence} licence{end}"
        kind = "the Academic Software License, ASL: for non-commercial use" if self.licence == "ASL" else self.licence
        return f"{self.name} is under {kind}; by using it you accept its terms{end}"


def public_models() -> dict[str, PublicModel]:
    """All models by name. ConfigError for a table that cannot be read."""
    return _read(Path(os.environ.get(VARIABLE) or OWN))


def public_name(text: str) -> str | None:
    """The model's name that a text is, however its letters are; None for a path, ConfigError for an unknown name.

    A text that holds a separator or a suffix of a file is a path.
    """
    word = text.lower()
    if word in public_models():
        return word
    if any(mark in text for mark in ("/", "\\", ".", "~")) or not word:
        return None
    known = nearest(word, public_models())
    raise ConfigError(
        f"no potential at {text}, and no public model of this name{known} (`atomgraph models` lists them)"
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
        first = str(error).splitlines()[0]
        raise ConfigError(f"the table of public models {path} is not one: {first}") from None

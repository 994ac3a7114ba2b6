"""Sphinx settings. `make docs` builds docs/_build/index.html."""

import inspect
import sys
from pathlib import Path
from typing import Any

import sphinx.util.inspect
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

sys.path.insert(0, str(Path(__file__).parent))

import generate

import atomgraph
from atomgraph.nn.part import Part

project = "atomgraph"
author = copyright = "The atomgraph developers"
release = version = atomgraph.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.mathjax", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
exclude_patterns = ["_build", "generated"]
nitpicky = False
suppress_warnings = ["config.cache"]

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

napoleon_numpy_docstring = False

html_theme = "furo"
html_title = "atomgraph"
html_static_path = ["static"]
html_css_files = ["atomgraph.css"]

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_inherit_docstrings = False
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
maximum_signature_line_length = 90
add_module_names = False


def write_pages(app: Sphinx) -> None:
    """The pages that the code writes itself, before Sphinx reads anything."""
    try:
        generate.write_pages()
    except generate.Undescribed as error:
        raise ExtensionError(str(error)) from error


def sign_class(
    app: Sphinx, what: str, name: str, thing: Any, options: Any, signature: str | None, returns: str | None
) -> tuple[str | None, str | None] | None:
    """A class's constructor: of parts, where ``Part.__new__`` would hide it, and without what is private."""
    if what != "class" or thing.__init__ is Part.__init__ or not (issubclass(thing, Part) or "_" in (signature or "")):
        return None
    try:
        sign = sphinx.util.inspect.signature(thing.__init__)
    except (TypeError, ValueError):
        return None
    public = [first for first in list(sign.parameters.values())[1:] if not first.name.startswith("_")]
    bare = sign.replace(parameters=public, return_annotation=inspect.Signature.empty)
    return sphinx.util.inspect.stringify_signature(bare, unqualified_typehints=True), None


def setup(app: Sphinx) -> None:
    app.connect("builder-inited", write_pages)
    app.connect("autodoc-process-signature", sign_class)

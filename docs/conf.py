"""Sphinx settings. `make docs` builds docs/_build/index.html."""

import sys
from pathlib import Path

import atomgraph

sys.path.insert(0, str(Path(__file__).parent))

project = "atomgraph"
author = copyright = "The atomgraph developers"
release = version = atomgraph.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.mathjax", "sphinx.ext.viewcode"]
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
html_theme = "furo"
html_title = "atomgraph"
html_static_path: list[str] = []
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_default_options = {"members": True, "show-inheritance": True}
exclude_patterns = ["_build"]
nitpicky = False

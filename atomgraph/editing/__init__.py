"""Models cut down or widened with their predictions unchanged: elements and heads, fewer or more."""

from atomgraph.editing.elements import add_elements, keep_elements, restart_elements
from atomgraph.editing.heads import add_head, keep_heads
from atomgraph.editing.isolated import pin_isolated

__all__ = ["add_elements", "add_head", "keep_elements", "keep_heads", "pin_isolated", "restart_elements"]

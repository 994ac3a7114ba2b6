"""Remove or add elements and heads of a potential, with unchanged predictions for the elements and heads that are kept."""

from atomgraph.editing.elements import add_elements, keep_elements, restart_elements
from atomgraph.editing.heads import add_head, keep_heads
from atomgraph.editing.isolated import pin_isolated

__all__ = ["add_elements", "add_head", "keep_elements", "keep_heads", "pin_isolated", "restart_elements"]

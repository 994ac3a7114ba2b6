"""Table of the parts that have a fused form. The file of each fused form registers the class of its part.

``FusedModel`` creates the fused forms. A potential with a part that is not registered is not compiled.
"""

from __future__ import annotations

from functools import singledispatch


@singledispatch
def describe_unsupported(part: object) -> str | None:
    """Return a description of the part or the setting that has no fused form; None if the part has a fused form."""
    return f"the part {type(part).__name__}"


def is_registered(part: object) -> bool:
    """Return whether the class of a part has a fused form, for some or all of its settings."""
    return describe_unsupported.dispatch(type(part)) is not describe_unsupported.dispatch(object)

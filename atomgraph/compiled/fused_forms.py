"""Which parts have a fused form: the file of each fused form registers the class of the part here.

``FusedMACE`` makes the fused forms. The name of a part that is not registered is the reason that a potential is not
compiled.
"""

from __future__ import annotations

from functools import singledispatch


@singledispatch
def missing_form(part: object) -> str | None:
    """The reason why a part has no fused form, in a few words; None if it has one."""
    return f"the part {type(part).__name__}"


def is_registered(part: object) -> bool:
    """Whether the class of a part has a fused form, for some or all of its settings."""
    return missing_form.dispatch(type(part)) is not missing_form.dispatch(object)

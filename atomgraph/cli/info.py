"""atomgraph info MODEL"""

from atomgraph.cli.options import Model


def info(model: Model) -> None:
    """What a potential file says of itself."""
    print(model)

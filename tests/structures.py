from atomgraph.testing.structures import *  # noqa: F403

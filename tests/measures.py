from atomgraph.testing.measures import *  # noqa: F403

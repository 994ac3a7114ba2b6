from atomgraph.testing import *  # noqa: F403

"""Laws that tests inherit live in plain modules; their asserts should say as much as a test's own."""

import pytest

pytest.register_assert_rewrite("laws_of_parts", "laws_of_models")

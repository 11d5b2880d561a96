"""The loop for tests that run it themselves: that of the core's tests."""

from tests.core.conftest import loop

__all__ = ["loop"]

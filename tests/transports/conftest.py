"""The loop for tests that run it themselves, and the look into it: those of the core's tests."""

from tests.core.conftest import loop, probe

__all__ = ["loop", "probe"]

"""Everything that a loop can do, at random and at once: python -m tests.stress SEED."""

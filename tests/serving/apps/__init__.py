"""Applications that the tests serve; modules of their own for --app-dir."""

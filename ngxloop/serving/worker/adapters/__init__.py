"""What a worker runs: one module for each kind of application."""

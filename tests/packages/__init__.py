"""Real packages on ngxloop's loop: real processes, real exchanges."""

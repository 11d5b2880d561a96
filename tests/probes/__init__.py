"""Compiled helpers: through them the tests reach what Python cannot. Built with NGXLOOP_PROBES=1."""

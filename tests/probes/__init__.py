"""Compiled helpers through which the tests reach what Python cannot; built if NGXLOOP_PROBES is set."""

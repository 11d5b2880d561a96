"""Compiled helpers: with them the tests reach what Python cannot. Built by NGXLOOP_PROBES=1."""

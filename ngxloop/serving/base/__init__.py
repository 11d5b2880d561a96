"""What every room may import: errors, states, names, plain text, trust in files.

Imports nothing of serving/. Read first: errors.py, `StartError`: what a failed start says. What
root may read or import is decided in trust.py.
"""

"""What every room may import: errors, states, names, plain text, trust in files.

Imports nothing of serving/. Read first: errors.py, `StartError`: what a failed start says. What
files root may read is decided in trust.py, what it may import in guard.py, with it.
"""

"""What every room may import: errors, limits, states, names, plain text, trust in files.

Imports nothing of serving/. Read first: errors.py, `StartError` and `ExitCode`: what a failed start
says, and with which exit code. What root may read or import is decided in trust.py, `find_fault()`.
"""

"""The master put together: its parts, its turn, what it does itself, the audit after a failure.

Imports every other room. Read first: turn.py, `Turn.run()`. The public class is in
ngxloop/prefork.py.
"""

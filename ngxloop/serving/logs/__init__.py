"""The lines of ngxloop-serve and of requests: where they go, how they look.

Imports options/ and base/. Read first: logs.py, `set_up_logs()`.
"""

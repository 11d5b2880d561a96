"""Processes, signals, channels: everything that speaks to the kernel about one process.

Imports logs/, options/ and base/. Read first: process.py, `fork_all()`, and poller.py, the one poll
of the master, with its guards. message.py checks messages; one of an unknown kind ends its sender.
"""

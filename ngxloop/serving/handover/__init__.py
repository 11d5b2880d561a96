"""The upgrade of the master's own code: the new master, the old one, and the pid file.

Imports fleet/ and the rooms below it. Read first: handover.py, `Handover`.
"""

"""The upgrade of the master's own code: the new master, the old one, and the pid file.

Imports ngxloop.leader, ngxloop.version, fleet/ and the rooms below it. Read first: handover.py,
`Handover.start()`; the process of the new master is in newmaster.py.
"""

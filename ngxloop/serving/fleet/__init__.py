"""The workers as a whole: the machine decides, the executor does.

Imports ngxloop.core, ngxloop.leader, worker/ and the rooms below it. Read first: machine.py,
`Machine.handle()`; the events and actions are in events.py and actions.py, the tables in phases.py
and base/states.py. A start or a reload has failed: generations.py, `generation_failed()`, and
`reload_refused()` if the configuration is invalid. A hung worker is killed in liveness.py; one that
sends an invalid message is stopped in messages.py, `evict()`.
"""

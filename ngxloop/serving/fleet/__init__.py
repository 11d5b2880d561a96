"""The workers as a whole: the machine decides, the executor does.

Imports ngxloop.core, ngxloop.leader, worker/ and the rooms below it. Read first: machine.py,
`Machine.handle()`; the events and actions are in events.py and actions.py, the tables in phases.py
and base/states.py. Whether a reload has failed is decided in generations.py, `generation_failed()`.
"""

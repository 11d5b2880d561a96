"""What a worker runs: one module for each kind of application.

Imports ngxloop.core and ngxloop.http, modules of worker/ and the rooms below it. Read first:
base.py, `Adapter`. Which adapter an application gets is decided in interface.py of worker/.
"""

"""A worker: from its fork to its exit, for applications (worker.py) and programs (program.py).

Imports ngxloop.core, ngxloop.http, ngxloop.loop, policy and leader, and sockets/ and the rooms
below it. Read first: worker.py, `run_worker()`. Orders of the master arrive in workercore.py,
`WorkerCore`. adapters/ has one file for each kind of application.
"""

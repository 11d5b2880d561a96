"""What operators see and say: the control socket, the status over HTTP, notices to systemd.

Imports ngxloop.core, handover/ and the rooms below it. Read first: admin.py, `Admin.listen()`.
control.py takes the orders that ctl.py sends, status.py has the figures; statusprocess.py is the
process that answers HTTP requests as statuspage.py says, statussupervisor.py the master's side of
it.
"""

"""Fault injection: every system call that ngxloop makes may fail, and each failure is tried.

How it works. library/ is compiled into an LD_PRELOAD library whose wrappers stand before libc's.
A board, a file that the test and the disturbed processes map, holds rules: which call, which errno
or a short transfer, the n-th call or a share of all (by a seed), in which process, on which kind
of descriptor. Nothing is struck until the test arms the board, so the interpreter's start is left
alone. The board counts calls and hits: a test whose fault is never hit fails.

As in SQLite's tests, each error is tried on call 1, 2, 3 ... until a run makes fewer calls. The
suite stops at a small n (running.DEPTH); FAULTS_LONG=1 goes on to the end, each fault in a process
of its own, and adds runs with random EINTR:

    FAULTS_LONG=1 python -m pytest tests/faults

What must hold. The loop (test_loop.py): a scenario ends in time; it has received the right bytes,
or fewer and an error that says why; no descriptor and no task is left; the loop does not spin; the
same loop then runs the scenario undisturbed. EINTR, EAGAIN and short transfers are not noticed at
all (errors.TRANSPARENT). The master (test_master.py): it goes on, answers, and has as many workers
and descriptors as before. Its start (test_start.py): it serves, or one line says why and nothing is
left behind. Kernels and sandboxes that lack a call: test_old_kernels.py.

One combination by hand. The failure message of a loop test holds the command:

    python -m tests.faults tcp_echo recv:ECONNRESET:3       one call
    python -m tests.faults tcp_echo recv                    all errors of errors.py, all n
    python -m tests.faults --loop asyncio tcp_echo recv     what asyncio does

That of a test of the master starts with ACTION CALL:ERRNO:N:

    FAULTS_ONLY="respawn fork:EAGAIN:1" python -m pytest tests/faults/test_master.py

Those of its start:

    FAULTS_LONG=1 python -m pytest tests/faults/test_start.py -k epoll_ctl_add:ENOMEM

A new fault test. For the loop: add a coroutine to scenarios.py that hands what it receives and is
told to its Check, and a line to FAULTS in test_loop.py. For the master: an action in master.py.
For anything else: start a process with Board.environment, and arm a Rule around what is to fail;
then assert Board.hits(). A new system call in a compiled module needs a wrapper in
library/wrappers.c, a name in injection.CALLS and a row in errors.ERRORS; test_injection.py names
what is missing.
"""

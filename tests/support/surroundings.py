"""The surroundings in which the tests run: the same for every user and working folder.

What a developer, a service manager or a CI system has set for its own programs must not decide a
test. So the suite begins by taking it back, for pytest's process and for all that it starts.
"""

import os
import re
import signal

# What changes how programs behave, print or find each other.
FOREIGN = re.compile(
    r"""
    (?!NGXLOOP_(TEST_LOOP|TEST_SEED|FULL_COUNTS|CHURN_SECONDS|NEED_PACKAGES|OLD_RELEASE)$)_?NGXLOOP_.*
    | WEB_CONCURRENCY | PORT | NOTIFY_SOCKET | WATCHDOG_(USEC|PID) | LISTEN_.*
    | (?!PYTHON(PATH|HOME|MALLOC|HASHSEED|DONTWRITEBYTECODE|PYCACHEPREFIX)$)PYTHON.*
    | (UVICORN|HYPERCORN|GUNICORN_CMD|AIOHTTP|SPT|SSL|SSH|XDG)_?.* | OPENSSL_CONF
    | (?i:(https?|ftp|all|no)_proxy)
    | (FORCE|NO|PY)_COLORS? | CLICOLOR.* | COLUMNS | LINES
    | LANG | LANGUAGE | LC_.* | TZ | HOME
    """,
    re.VERBOSE,
)

# In place of some of these: text is UTF-8, and no folder has settings of a user.
OWN = {"LC_ALL": "C.UTF-8", "HOME": "/nonexistent"}

# A parent that ignores signals, as nohup(1) and the background jobs of a shell do, hands that down.
# Python itself ignores the last two.
IGNORED = {signal.SIGKILL, signal.SIGSTOP, signal.SIGPIPE, signal.SIGXFSZ}


def make_neutral() -> None:
    """Take back what was set for others: variables, the file mode mask, signals."""
    for name in filter(FOREIGN.fullmatch, list(os.environ)):
        del os.environ[name]
    os.environ.update(OWN)
    os.umask(0o022)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for number in signal.valid_signals() - IGNORED:
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)

"""How many descriptors a process may have: as many as the administrator allows, not the default.

The soft limit is 1024 on most systems, for the sake of programs that use select(); the loop uses
epoll, and a worker needs a descriptor for each connection. The hard limit is the one that is meant
to limit. nginx: worker_rlimit_nofile, which has to be set by hand.
"""

import resource
from collections.abc import Callable

from ngxloop.serving.logs import log


def raise_descriptor_limit() -> Callable[[], None]:
    """Raise the soft limit of this process and its future children; return what takes it back."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError) as error:  # a sandbox: the limit we have is the limit
        log.debug("open file limit stays %d: %s", soft, error)
        return lambda: None
    return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

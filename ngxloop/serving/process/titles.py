"""What `ps` shows of a process, if the package setproctitle is there."""

from collections.abc import Callable

try:
    from setproctitle import getproctitle, setproctitle
except ImportError:  # `pip install 'ngxloop[serve]'` brings it

    def getproctitle() -> str:
        """Return nothing: there are no titles."""
        return ""

    def setproctitle(title: str) -> None:
        """Do nothing."""


def set_title(text: str) -> Callable[[], None]:
    """Set the title of this process; return what takes it back."""
    old = getproctitle()
    setproctitle(f"ngxloop: {text}")
    return lambda: setproctitle(old)

"""What a measured process says: JSON, one line a message, on stdout."""

import json
import sys
from typing import Any

Message = dict[str, Any]


def send(message: Message) -> None:
    """Send one message to the process that measures."""
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def parse(line: bytes) -> Message:
    """Turn a line into a message; ValueError if it is none."""
    message = json.loads(line)
    if not isinstance(message, dict):
        raise ValueError(f"not a JSON object: {line!r}")
    return message

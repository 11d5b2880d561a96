"""Fail unless each of the deliberate errors is reported: python -m tests.sanitizers.check."""

import subprocess
import sys

# The call, and what the report must contain.
VIOLATIONS = {
    "write_behind_allocation(24)": "heap-buffer-overflow",
    "use_after_free()": "heap-use-after-free",
    "add_to_largest_int(1)": "signed integer overflow",
}
# The lines of the .pyx belong to the report: without them it is hard to use.
SOURCE = "tests/sanitizers/violations.pyx:"


def complaint(call: str, expected: str) -> str | None:
    """Return what is wrong with the report on a call, None if nothing is."""
    done = subprocess.run(
        [sys.executable, "-c", f"from tests.sanitizers import violations; violations.{call}"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 0:
        return f"{call} did not end the process"
    missing = [text for text in (expected, SOURCE) if text not in done.stderr]
    if missing:
        return f"{call} was reported without {missing[0]!r}:\n{done.stderr}"
    return None


def main() -> None:
    """Check all of them."""
    complaints = [text for item in VIOLATIONS.items() if (text := complaint(*item))]
    if complaints:
        sys.exit("\n".join(["the sanitizers do not work", *complaints]))
    print(f"the sanitizers report all {len(VIOLATIONS)} deliberate errors")


if __name__ == "__main__":
    main()

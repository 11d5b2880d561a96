"""Build the compiled modules; everything else about the package is in pyproject.toml.

NGXLOOP_BUILD selects how: release (the default), debug or asan; scripts/with sets it.
NGXLOOP_PROBES adds the helpers of the test suite, which are never installed.
"""

import os
import platform
import sys
from pathlib import Path

from setuptools import Extension, setup

ROOT = Path(__file__).parent.absolute()
sys.path.insert(0, str(ROOT / "scripts"))

from building import BuildModules, Rules  # noqa: E402

if sys.platform != "linux" or platform.python_implementation() != "CPython":
    sys.exit(
        f"ngxloop needs Linux and CPython (epoll, eventfd, the C API); this is "
        f"{platform.python_implementation()} on {sys.platform}"
    )

BUILD = os.environ.get("NGXLOOP_BUILD", "release")

SOURCES = sorted(
    path
    for folder in ("core", "transports", "http", "http/websocket")
    for path in Path("ngxloop", folder).glob("*.pyx")
)
if os.environ.get("NGXLOOP_PROBES"):
    SOURCES += sorted(Path("tests", "probes").glob("*.pyx"))
if BUILD == "asan":
    SOURCES += sorted(Path("tests", "sanitizers").glob("*.pyx"))

DIRECTIVES = {
    "language_level": "3",
    "binding": False,  # plain method descriptors: a call costs less, nothing asks for code objects
    "boundscheck": False,
    "wraparound": False,
    "cdivision": True,
    "initializedcheck": False,
    "embedsignature": True,
    "embedsignature.format": "clinic",  # for inspect.signature(), and for stubtest
}
# What release leaves out. cdivision stays, as it decides what a division results in, and so does
# wraparound: a negative index is an error then.
CHECKS = {"boundscheck": True, "initializedcheck": True, "nonecheck": True}

RULES = {
    "release": Rules(DIRECTIVES),
    "debug": Rules(DIRECTIVES | CHECKS, line_numbers=True),
    "asan": Rules(DIRECTIVES, line_numbers=True),
}
if BUILD not in RULES:
    sys.exit(f"NGXLOOP_BUILD is {BUILD!r}, not one of {', '.join(RULES)}")

# What is invalid ends the process: UBSan's report alone would be a line that nothing notices.
# CPython's own options have -fwrapv, with which a signed overflow is valid and is not reported.
SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-wrapv"]

# Without a procedure linkage table a call into libpython is one jump instead of two: sleep(0) with
# 100 tasks went from 339 to 325 ns (GCC 12, CPython 3.13). The names of files in debug information
# are relative: two checkouts give the same modules, and share ccache's results.
COMPILER_OPTIONS = {
    "release": ["-O2", "-fno-plt", "-fvisibility=hidden", f"-ffile-prefix-map={ROOT}=."],
    # -UNDEBUG also turns on the assertions in CPython's headers.
    "debug": ["-O0", "-g3", "-UNDEBUG", "-fvisibility=hidden"],
    "asan": ["-O1", "-g", "-fno-omit-frame-pointer", "-fvisibility=hidden", *SANITIZERS],
}


def extension(path: Path) -> Extension:
    """Return the extension module that a .pyx file compiles to."""
    return Extension(
        ".".join(path.with_suffix("").parts),
        [str(path)],
        extra_compile_args=COMPILER_OPTIONS[BUILD],
        extra_link_args=SANITIZERS if BUILD == "asan" else [],
    )


BuildModules.rules = RULES[BUILD]

if __name__ == "__main__":
    setup(
        ext_modules=[extension(path) for path in SOURCES],
        cmdclass={"build_ext": BuildModules},
    )

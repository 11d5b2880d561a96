"""Build the compiled modules; everything else about the package is in pyproject.toml."""

import os
import platform
import sys
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

if sys.platform != "linux" or platform.python_implementation() != "CPython":
    sys.exit(
        f"ngxloop needs Linux and CPython (epoll, eventfd, the C API); this is "
        f"{platform.python_implementation()} on {sys.platform}"
    )

SOURCES = sorted(
    path for folder in ("core", "transports") for path in Path("ngxloop", folder).glob("*.pyx")
)
if os.environ.get("NGXLOOP_PROBES"):  # helpers of the test suite, never installed
    SOURCES += sorted(Path("tests", "probes").glob("*.pyx"))

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

CPU_COUNT = len(os.sched_getaffinity(0))

# Without a procedure linkage table a call into libpython is one jump instead of two: sleep(0) with
# 100 tasks went from 339 to 325 ns (GCC 12, CPython 3.13).
COMPILER_OPTIONS = ["-O2", "-fno-plt", "-fvisibility=hidden"]


def extension(path: Path) -> Extension:
    """Return the extension module that a .pyx file compiles to."""
    name = ".".join(path.with_suffix("").parts)
    return Extension(name, [str(path)], extra_compile_args=COMPILER_OPTIONS)


# From Python 3.14 on, the processes that Cython compiles in import this file before they begin.
if __name__ == "__main__":
    setup(
        ext_modules=cythonize(
            [extension(path) for path in SOURCES],
            compiler_directives=DIRECTIVES,
            nthreads=CPU_COUNT,
            build_dir="build/cython",
        ),
        options={"build_ext": {"parallel": CPU_COUNT}},
    )

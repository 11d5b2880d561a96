"""Build the compiled modules whose content has changed, and no others.

How it works. Each module goes through two steps, .pyx to C and C to .so. The result of a step is
kept in the build folder next to a key, a digest of everything that the step reads; a step is
skipped if its key is still the same. Modification times decide nothing. The keys leave out
comments:

- A .pyx keeps its line breaks, since tracebacks name its lines: rewording a comment changes
  nothing, adding a line compiles this module.
- So does a .pxd with inline functions, as their lines are named in tracebacks, too. From any other
  .pxd empty lines are left out as well: a comment added to it compiles nothing. Two kinds of
  traceback may then name the line where a declaration stood before: a type that cannot be imported,
  and a readonly attribute for which there is no memory.
- C keeps its line breaks. A change that does not alter a module's C, such as the declaration of a C
  function that the module does not call, does not run the C compiler for it.

An interrupted build leaves nothing wrong behind. Files are written under other names and renamed
when they are complete; a key is removed before its file is replaced and written after it. Modules
reach their place only when all have been compiled. There they are renamed over the old ones: a
process that has mapped the old file keeps it.

A process is forked for each module, rather than a pool used: it ends by itself if its parent has
been killed, while the workers of a pool wait for ever.
"""

import contextlib
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import Cython
from Cython.Build import cythonize
from Cython.Build.Dependencies import create_dependency_tree
from files import place
from setuptools import Extension
from setuptools.command.build_ext import build_ext
from setuptools.errors import CompileError

# A change of what this file does with the same sources: increase it.
_FORMAT = 1

_STRING = r'(?P<quotes>"""|\'\'\')(?:\\.|.)*?(?P=quotes)|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\''
_CYTHON = re.compile(rf"{_STRING}|(?P<dropped>[ \t]*#[^\n]*)", re.DOTALL)
_EMPTY_LINES = re.compile(rf"{_STRING}|(?P<dropped>\n[ \t]*(?=\n))", re.DOTALL)
_C = re.compile(rf"{_STRING}|(?P<dropped>/\*.*?\*/)", re.DOTALL)
# Comments that Cython obeys.
_DIRECTIVE = re.compile(r"[ \t]*#\s*(cython\s*:|distutils\s*:|tag\s*:|.*coding[:=])")
_INLINE = re.compile(r"\binline\b")

# Where Cython's own .pxd files are: each virtual environment has its copy, and all share the C.
_CYTHON_FOLDER = str(Path(Cython.__file__).parent)

Job = Callable[[], None]


class Rules(NamedTuple):
    """How modules are translated to C."""

    directives: Mapping[str, Any]
    line_numbers: bool = False  # #line in the C, so that debuggers and sanitizers show the .pyx


def _digest(*parts: object) -> str:
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()


def _without_c_comments(text: str) -> str:
    def keep(match: re.Match[str]) -> str:
        return "\n" * match[0].count("\n") if match["dropped"] else match[0]

    return _C.sub(keep, text)


def significant_text(path: Path) -> str:
    """Return what Cython makes something of: the file without comments."""

    def keep(match: re.Match[str]) -> str:
        return "" if match["dropped"] and not _DIRECTIVE.match(match[0]) else match[0]

    text = _CYTHON.sub(keep, path.read_text(encoding="utf-8"))
    if path.suffix == ".pxd" and not _INLINE.search(text):
        text = _EMPTY_LINES.sub(keep, text).strip("\n")
    return text


# --- results with keys ---


def _key_file(result: Path) -> Path:
    return result.with_name(result.name + ".key")


def _key_of(result: Path) -> str:
    """Return the key of what is there, an empty one if it is missing or not complete."""
    try:
        key, _, size = _key_file(result).read_text().rpartition(" ")
        return key if result.stat().st_size == int(size) else ""
    except (FileNotFoundError, ValueError):
        return ""


def _replace(result: Path, made: Path, key: str) -> None:
    """Put what was made into its place."""
    result.parent.mkdir(parents=True, exist_ok=True)
    _key_file(result).unlink(missing_ok=True)
    made.replace(result)
    new_key = made.with_name("key")
    new_key.write_text(f"{key} {result.stat().st_size}")
    new_key.replace(_key_file(result))


# --- processes ---


def report(text: str) -> None:
    """Write a line of progress to the file that NGXLOOP_PROGRESS names.

    pip hides what a build prints.
    """
    with (
        contextlib.suppress(OSError),
        open(os.environ.get("NGXLOOP_PROGRESS", os.devnull), "a") as file,
    ):
        file.write(text + "\n")


def _run_job(job: Job, log: Path) -> None:
    """Run a job in a forked child, which ends here."""
    code = 1
    try:
        with open(log, "wb", buffering=0) as output:
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
        job()
        code = 0
    except CompileError as error:
        print(error, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def run_jobs(jobs: Mapping[str, Job], logs: Path, at_once: int) -> None:
    """Run each job in its own process; raise an error with the output of those that failed."""
    waiting = list(jobs)
    running: dict[int, str] = {}
    failed: list[str] = []
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        while running or (waiting and not failed):
            while waiting and not failed and len(running) < at_once:
                name = waiting.pop(0)
                if not (pid := os.fork()):
                    _run_job(jobs[name], logs / f"{name}.log")
                running[pid] = name
            pid, status = os.wait()
            if (name := running.pop(pid, "")) and status:
                failed.append(f"{name}: {(logs / f'{name}.log').read_text(errors='replace')}")
            done = len(jobs) - len(waiting) - len(running)
            report(f"[{done:{len(str(len(jobs)))}}/{len(jobs)}] {name}")
    finally:
        for pid in running:
            os.kill(pid, signal.SIGTERM)
            os.waitpid(pid, 0)
    if failed:
        raise CompileError("\n".join(failed))


# --- the command of setuptools ---


def _without_ccache(command: Sequence[str]) -> Sequence[str]:
    """Return the compiler's command: ccache in front of it changes no result."""
    return command[1:] if Path(command[0]).name == "ccache" else command


def _compiler_version(command: Sequence[str]) -> str:
    """Return what the compiler prints about itself: its name alone does not identify it."""
    done = subprocess.run(
        [command[0], "--version"],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout


class BuildModules(build_ext):
    """build_ext that compiles what has changed in content."""

    rules: Rules
    c_folder = Path("build/cython")

    def run(self) -> None:
        """Build, then put the modules next to their sources or into the folder of a wheel."""
        self.to_sources = self.inplace
        super().run()

    def build_extensions(self) -> None:
        """Compile what has changed; put all in place."""
        self.results = Path(self.build_temp, "modules")
        self.unfinished = Path(self.build_temp, "unfinished")
        shutil.rmtree(self.unfinished, ignore_errors=True)
        self.unfinished.mkdir(parents=True)
        self.environment_key = self._environment_key()
        jobs = {ext.name: job for ext in self.extensions if (job := self._job(ext))}
        if jobs:
            report(f"compiling {len(jobs)} of {len(self.extensions)} modules")
            run_jobs(jobs, self.unfinished, len(os.sched_getaffinity(0)))
        for ext in self.extensions:
            if not self.to_sources:
                place(self._result(ext), Path(self.get_ext_fullpath(ext.name)))
        shutil.rmtree(self.unfinished, ignore_errors=True)

    def copy_extensions_to_source(self) -> None:
        """Put the modules next to their sources, and remove those that have none any more."""
        places = {
            Path(self.get_ext_filename(ext.name)): self._result(ext) for ext in self.extensions
        }
        for target, result in places.items():
            place(result, target)
        suffix = self.get_ext_filename("")
        for folder in {target.parent for target in places}:
            for left in set(folder.glob(f"*{suffix}")) - set(places):
                left.unlink()

    def _result(self, ext: Extension) -> Path:
        return self.results / self.get_ext_filename(ext.name)

    def _environment_key(self) -> str:
        """Return the digest of what all modules are compiled with.

        The folder of headers in a virtual environment is left out, as they share the modules.
        """
        folders = [path for path in self.compiler.include_dirs if not path.startswith(sys.prefix)]
        compiler = _without_ccache(self.compiler.compiler_so)
        linker = _without_ccache(self.compiler.linker_so)
        return _digest(_FORMAT, sys.version, compiler, linker, folders, _compiler_version(compiler))

    def _c_key(self, source: str) -> str:
        files = sorted(create_dependency_tree(quiet=True).all_dependencies(source))
        texts = [
            (path.removeprefix(_CYTHON_FOLDER), significant_text(Path(path))) for path in files
        ]
        return _digest(_FORMAT, Cython.__version__, self.rules, texts)

    def _module_key(self, ext: Extension, c_digest: str) -> str:
        return _digest(self.environment_key, ext.extra_compile_args, ext.extra_link_args, c_digest)

    def _job(self, ext: Extension) -> Job | None:
        """Return what is to be done for a module, None if it is up to date."""
        (source,) = ext.sources
        c_file = self.c_folder / Path(source).with_suffix(".c")
        c_key = self._c_key(source)
        known_key, _, c_digest = _key_of(c_file).partition(" ")
        is_translated = known_key == c_key
        if is_translated and _key_of(self._result(ext)) == self._module_key(ext, c_digest):
            return None

        def job() -> None:
            folder = self.unfinished / ext.name
            folder.mkdir()
            if not is_translated:
                self._translate(ext, folder, c_file, c_key)
            self._compile(ext, folder, c_file)

        return job

    def _translate(self, ext: Extension, folder: Path, c_file: Path, c_key: str) -> None:
        cythonize(
            [Extension(ext.name, ext.sources)],
            force=True,
            quiet=True,
            build_dir=str(folder),
            compiler_directives=dict(self.rules.directives),
            emit_linenums=self.rules.line_numbers,
        )
        made = folder / Path(ext.sources[0]).with_suffix(".c")
        c_digest = _digest(_without_c_comments(made.read_text(encoding="utf-8")))
        _replace(c_file, made, f"{c_key} {c_digest}")

    def _compile(self, ext: Extension, folder: Path, c_file: Path) -> None:
        key = self._module_key(ext, _key_of(c_file).partition(" ")[2])
        if _key_of(self._result(ext)) == key:
            return
        objects = self.compiler.compile(
            [str(c_file)], output_dir=str(folder), extra_postargs=ext.extra_compile_args
        )
        made = folder / "module.so"
        self.compiler.link_shared_object(objects, str(made), extra_postargs=ext.extra_link_args)
        _replace(self._result(ext), made, key)

"""scripts/building.py on a small package: what a change compiles, what interruptions leave."""

import os
import shutil
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[1] / "scripts"
DEADLINE = 60  # seconds for one build

SETUP = f"""\
import sys
sys.path.insert(0, {str(SCRIPTS)!r})
from building import BuildModules, Rules
from pathlib import Path
from setuptools import Extension, setup

BuildModules.rules = Rules({{"language_level": "3"}})
setup(
    name="sample",
    packages=["sample"],
    ext_modules=[
        Extension(f"sample.{{path.stem}}", [str(path)])
        for path in sorted(Path("sample").glob("*.pyx"))
    ],
    cmdclass={{"build_ext": BuildModules}},
)
"""
FILES = {
    "setup.py": SETUP,
    "sample/__init__.py": "",
    "sample/__init__.pxd": "",
    # Cython quotes the lines around a declaration in comments of the C: some that stay the same.
    "sample/shape.pxd": "# A shape.\ncdef struct Shape:\n    int width\n\n\n# End.\n",
    "sample/area.pyx": (
        "from sample.shape cimport Shape\n\n# Bytes.\ndef size():\n    return sizeof(Shape)\n"
    ),
    "sample/edge.pxd": "from sample.shape cimport Shape\ncdef Shape edge_shape\n",
    "sample/edge.pyx": "def size():\n    return sizeof(Shape)\n",
    "sample/alone.pyx": "def one():\n    return 1\n",
}


class Project:
    """A folder with a package of three modules."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def start(self, progress: Path, **options: object) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "setup.py", "--quiet", "build_ext", "--inplace"],
            cwd=self.folder,
            env=os.environ | {"NGXLOOP_PROGRESS": str(progress), "CFLAGS": "-O0"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )

    def build(self) -> set[str]:
        """Build; return the names of the modules that were compiled."""
        progress = self.folder / "progress"
        progress.unlink(missing_ok=True)
        with self.start(progress) as process:
            errors = process.communicate(timeout=DEADLINE)[1]
        if process.returncode:
            raise RuntimeError(errors)
        lines = progress.read_text().splitlines() if progress.exists() else []
        return {line.rpartition("sample.")[2] for line in lines if line.startswith("[")}

    def value(self, expression: str) -> int:
        code = f"import sample.alone, sample.area, sample.edge; print({expression})"
        return int(
            subprocess.run(
                [sys.executable, "-c", code],
                cwd=self.folder,
                capture_output=True,
                text=True,
                check=True,
            ).stdout
        )

    def replace(self, name: str, old: str, new: str) -> None:
        path = self.folder / "sample" / name
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    def modules(self) -> dict[str, tuple[int, int]]:
        """Return what identifies the files of the compiled modules."""
        files = (self.folder / "sample").glob("*.so")
        return {
            path.name.partition(".")[0]: (path.stat().st_ino, path.stat().st_mtime_ns)
            for path in files
        }


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = Project(tmp_path_factory.mktemp("sample"))
    for name, text in FILES.items():
        path = project.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    assert project.build() == {"alone", "area", "edge"}
    return project


@pytest.fixture
def project(built: Project, tmp_path: Path) -> Project:
    """Give a copy of the built package: its files are newer than all that was made from them."""
    shutil.copytree(built.folder, tmp_path / "copy")
    return Project(tmp_path / "copy")


def test_unchanged_sources_compile_nothing_whatever_their_times(project: Project):
    for path in project.folder.glob("sample/*.p*"):
        path.touch()
    before = project.modules()

    assert project.build() == set()
    assert project.modules() == before


def test_comment_in_declarations_compiles_nothing(project: Project):
    project.replace("shape.pxd", "cdef struct", "\n# Another line.\n\ncdef struct")
    project.replace("shape.pxd", "int width", "int width  # in pixels")

    assert project.build() == set()


def test_changed_struct_compiles_all_its_users(project: Project):
    project.replace("shape.pxd", "int width", "int width\n    int height")

    assert project.build() == {"area", "edge"}
    assert project.value("sample.area.size()") == project.value("sample.edge.size()") == 8


def test_changed_module_is_compiled_alone(project: Project):
    project.replace("alone.pyx", "return 1", "return 2")
    before = project.modules()

    assert project.build() == {"alone"}
    assert project.value("sample.alone.one()") == 2
    changed = {name for name, identity in project.modules().items() if identity != before[name]}
    assert changed == {"alone"}


def test_change_undone_compiles_again(project: Project):
    project.replace("alone.pyx", "return 1", "return 2")
    project.build()
    project.replace("alone.pyx", "return 2", "return 1")

    assert project.build() == {"alone"}
    assert project.value("sample.alone.one()") == 1


def test_unused_declaration_leaves_modules_as_they_are(project: Project):
    path = project.folder / "sample/shape.pxd"
    path.write_text(path.read_text() + "cdef extern from *:\n    int unused()\n")
    before = project.modules()

    assert project.build() == {"area", "edge"}  # translated, but their C is the same
    assert project.modules() == before


def test_damaged_files_are_made_again(project: Project):
    for path in [*project.folder.glob("sample/*.so"), *project.folder.rglob("build/**/alone.*")]:
        path.write_bytes(path.read_bytes()[:100])

    project.build()
    assert project.value("sample.alone.one()") == 1


def test_removed_source_removes_its_module(project: Project):
    (project.folder / "sample/alone.pyx").unlink()

    project.build()
    assert set(project.modules()) == {"area", "edge"}


def test_error_names_the_source_and_leaves_all_modules(project: Project):
    project.replace("alone.pyx", "return 1", "return 2")
    project.replace("area.pyx", "sizeof(Shape)", "sizeof(Shap)")
    before = project.modules()

    with pytest.raises(RuntimeError, match=r"area\.pyx:5"):
        project.build()
    assert project.modules() == before


@pytest.mark.parametrize("compiled_count", [0, 2])
def test_killed_build_is_completed_by_the_next(project: Project, compiled_count: int):
    project.replace("shape.pxd", "int width", "int width\n    int height")
    project.replace("alone.pyx", "return 1", "return 2")
    progress = project.folder / "fifo"
    os.mkfifo(progress)
    alive, inherited = os.pipe()  # end of file once no process of the build is left
    with project.start(progress, pass_fds=[inherited]) as process:
        os.close(inherited)
        for _ in range(1 + compiled_count):  # "compiling ...", then a line for each module
            progress.read_text()
        process.send_signal(signal.SIGKILL)
    with open(alive, "rb") as end:
        end.read()

    project.build()
    assert project.value("sample.alone.one()") == 2
    assert project.value("sample.area.size()") == project.value("sample.edge.size()") == 8


# Tells that it runs, and never ends.
COMPILER = """\
#!/bin/sh
PATH='{path}' # without this folder: ccache looks for the compiler of its own name there
case "$*" in *--version*) exec {compiler} "$@" ;; esac
echo started >{started}
exec sleep 1000
"""


@pytest.fixture
def endless_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a compiler into PATH that never ends; give the pipe that it writes to when it starts."""
    monkeypatch.delenv("CC", raising=False)
    name = sysconfig.get_config_var("CC").split()[0]
    started = tmp_path / "started"
    os.mkfifo(started)
    script = tmp_path / "bin" / name
    script.parent.mkdir()
    path = os.environ["PATH"]
    script.write_text(COMPILER.format(path=path, compiler=shutil.which(name), started=started))
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{script.parent}:{os.environ['PATH']}")
    return started


def test_build_killed_in_the_compiler_is_completed_by_the_next(
    project: Project, endless_compiler: Path, monkeypatch: pytest.MonkeyPatch
):
    project.replace("alone.pyx", "return 1", "return 2")
    with project.start(Path(os.devnull), start_new_session=True) as process:
        endless_compiler.read_text()
        os.killpg(process.pid, signal.SIGKILL)
    monkeypatch.setenv("PATH", os.environ["PATH"].partition(":")[2])

    project.build()
    assert project.value("sample.alone.one()") == 2


@pytest.fixture
def significant_text(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], str]:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    from building import significant_text  # noqa: PLC0415

    return significant_text


SAME = {
    "comment line in a .pxd": (".pxd", "cdef int a\n", "# new\n\ncdef int a\n"),
    "comment at the end of a line": (".pxd", "cdef int a\n", "cdef int a  # new\n"),
    "other words in a .pyx": (".pyx", "# old\na = 1\n", "# new 'quote\na = 1\n"),
    "other words above inline": (
        ".pxd",
        "# old\ncdef inline int f() noexcept:\n    return 1\n",
        "# new\ncdef inline int f() noexcept:\n    return 1\n",
    ),
}
DIFFERENT = {
    "line in a .pyx": (".pyx", "a = 1\n", "# new\na = 1\n"),
    "line above inline": (
        ".pxd",
        "cdef inline int f() noexcept:\n    return 1\n",
        "# new\ncdef inline int f() noexcept:\n    return 1\n",
    ),
    "type": (".pxd", "cdef int a\n", "cdef long a\n"),
    "indentation": (".pyx", "if a:\n    b\nc\n", "if a:\n    b\n    c\n"),
    "hash in a string": (".pyx", "a = 'x # y'\n", "a = 'x # z'\n"),
    "hash in a long string": (".pyx", 'a = """\n# y"\n"""\n', 'a = """\n# z"\n"""\n'),
    "hash after an escaped quote": (".pyx", r"a = 'x\' # y'", r"a = 'x\' # z'"),
    "empty line in a long string": (".pxd", '"""\na\n"""\n', '"""\na\n\n"""\n'),
    "directive": (".pyx", "# cython: wraparound=True\n", "# cython: wraparound=False\n"),
    "verbatim C": (
        ".pxd",
        'cdef extern from *:\n    """\n    # if A\n    """\n',
        'cdef extern from *:\n    """\n    # if B\n    """\n',
    ),
}


@pytest.mark.parametrize("case", SAME.values(), ids=SAME)
def test_comment_is_not_significant(
    case: tuple[str, str, str], tmp_path: Path, significant_text: Callable[[Path], str]
):
    suffix, before, after = case
    path = (tmp_path / "source").with_suffix(suffix)

    path.write_text(before)
    text = significant_text(path)
    path.write_text(after)
    assert significant_text(path) == text


@pytest.mark.parametrize("case", DIFFERENT.values(), ids=DIFFERENT)
def test_all_else_is_significant(
    case: tuple[str, str, str], tmp_path: Path, significant_text: Callable[[Path], str]
):
    suffix, before, after = case
    path = (tmp_path / "source").with_suffix(suffix)

    path.write_text(before)
    text = significant_text(path)
    path.write_text(after)
    assert significant_text(path) != text

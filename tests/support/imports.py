"""What the modules of a package import, read from their sources: Python's and Cython's."""

import ast
import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path

SUFFIXES = (".py", ".pyx", ".pxd")

# What must not be taken for an import: strings over several lines, and comments.
NO_CODE = re.compile(r'(?s:""".*?"""|\'\'\'.*?\'\'\')|#[^\n]*')

IMPORT = re.compile(r"^(?P<indent>\s*)(?:from (?P<module>\S+) )?(?P<verb>c?import) (?P<names>.+)")
INCLUDE = re.compile(r"^\s*include\s+[\"']", re.MULTILINE)

# A block that may hold imports without being the body of a function or class.
CONDITION = re.compile(r"\s*(if|elif|else|try|except|finally)\b")


@dataclasses.dataclass(frozen=True)
class Import:
    """One imported name: a module, or something in it; where it stands, and how it is imported."""

    module: str
    name: str | None
    line: int
    late: bool
    is_cimport: bool = False

    @property
    def star(self) -> bool:
        return self.name == "*"


def module_name(path: Path, root: Path) -> str:
    """Return the dotted name of a source file below the folder that holds the package."""
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def sources(package: Path) -> list[Path]:
    """Return every source file of a package."""
    return sorted(path for suffix in SUFFIXES for path in package.rglob(f"*{suffix}"))


def imports(path: Path) -> list[Import]:
    """Return what a source file imports."""
    text = path.read_text()
    return list(_python_imports(text) if path.suffix == ".py" else _cython_imports(text))


def has_textual_include(path: Path) -> bool:
    """Tell whether a Cython source takes in another one by `include`."""
    return bool(INCLUDE.search(NO_CODE.sub("", path.read_text())))


def _python_imports(text: str) -> Iterator[Import]:
    tree = ast.parse(text)
    late = {
        id(node)
        for scope in ast.walk(tree)
        if isinstance(scope, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        for node in ast.walk(scope)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, None, node.lineno, id(node) in late)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            for alias in node.names:
                yield Import(module, alias.name, node.lineno, id(node) in late)


def _cython_imports(text: str) -> Iterator[Import]:
    lines = _logical_lines(text)
    for index, (number, line) in enumerate(lines):
        match = IMPORT.match(line)
        if not match:
            continue
        late = _is_late([text for _, text in lines[:index]], len(match["indent"]))
        is_cimport = match["verb"] == "cimport"
        for name in _names(match["names"]):
            if match["module"]:
                yield Import(match["module"], name, number, late, is_cimport)
            else:
                yield Import(name, None, number, late, is_cimport)


def _logical_lines(text: str) -> list[tuple[int, str]]:
    """Return numbered lines without comments and long strings; parentheses join lines."""
    code = NO_CODE.sub(lambda match: "\n" * match[0].count("\n"), text)
    lines: list[tuple[int, str]] = []
    open_count = 0
    for number, line in enumerate(code.replace("\\\n", " ").split("\n"), 1):
        if open_count > 0:
            lines[-1] = (lines[-1][0], f"{lines[-1][1]} {line.strip()}")
        else:
            lines.append((number, line))
        open_count += line.count("(") - line.count(")")
    return lines


def _is_late(before: list[str], indent: int) -> bool:
    """Tell whether a line of this indent stands in a function or class, given the lines before."""
    for line in reversed(before):
        own_indent = len(line) - len(line.lstrip())
        if line.strip() and own_indent < indent:
            if not CONDITION.match(line):
                return True
            indent = own_indent
    return False


def _names(text: str) -> list[str]:
    """Return the names of `a, b as c`, as they are called where they come from."""
    return [name.split()[0] for name in text.strip().strip("()").split(",") if name.strip()]

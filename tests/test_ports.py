"""No test uses a port that the kernel chose after the socket that held it is closed.

The kernel may have given it to another process by then: tests.support.addresses has ports for this.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parent

# What makes a socket, at the end of a call's name: socket.socket(), udp_socket(), create_server().
MAKERS = ("socket", "create_server", "listener")


def makes_socket(item: ast.withitem) -> bool:
    """Tell whether a with statement closes a socket at its end."""
    call = item.context_expr
    return isinstance(call, ast.Call) and ast.unparse(call.func).endswith(MAKERS)


def names_address(node: ast.AST) -> bool:
    """Tell whether an expression is the address of a socket, a part of it, or a text with it."""
    text = ast.unparse(node)
    is_other_call = isinstance(node, ast.Call) and not text.endswith("getsockname()")
    return "getsockname()" in text and not is_other_call


def kept_names(block: ast.With) -> Iterator[str]:
    """Return the variables of a block that are assigned an address."""
    for node in ast.walk(block):
        if isinstance(node, ast.Assign) and names_address(node.value):
            for target in node.targets:
                yield from (name.id for name in ast.walk(target) if isinstance(name, ast.Name))


def is_check(node: ast.AST) -> bool:
    """Tell whether a node compares, which uses no port."""
    call = node.value if isinstance(node, ast.Expr) else None
    is_call = isinstance(call, ast.Call) and ast.unparse(call.func).startswith("assert_")
    return isinstance(node, ast.Assert) or is_call


def names_used(function: ast.AST) -> Iterator[ast.Name]:
    """Return the variables that a function uses, but for those that it only checks."""
    nodes = [function]
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.Name):
            yield node
        nodes += [child for child in ast.iter_child_nodes(node) if not is_check(child)]


def reused_ports(function: ast.AST) -> Iterator[int]:
    """Return the lines on which an address outlives the socket that it was asked of."""
    for block in ast.walk(function):
        if not isinstance(block, ast.With) or not any(map(makes_socket, block.items)):
            continue
        yield from (
            node.lineno
            for node in ast.walk(block)
            if isinstance(node, ast.Return) and node.value and names_address(node.value)
        )
        kept = set(kept_names(block))
        yield from (
            name.lineno
            for name in names_used(function)
            if name.id in kept and name.lineno > block.end_lineno
        )


def functions(text: str) -> list[ast.AST]:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return [node for node in ast.walk(ast.parse(text)) if isinstance(node, kinds)]


def test_no_port_is_used_after_its_socket_is_closed():
    found = [
        f"{path.relative_to(TESTS)}, line {line}"
        for path in TESTS.rglob("*.py")
        for function in functions(path.read_text())
        for line in reused_ports(function)
    ]
    assert found == []


@pytest.mark.parametrize(
    "text",
    [
        "def f():\n with socket.socket() as s:\n  s.bind((H, 0))\n  return s.getsockname()[1]\n",
        "def f():\n with socket.create_server((H, 0)) as s:\n  p = s.getsockname()[1]\n g(p)\n",
        "async def f():\n with udp_socket() as s:\n  h, p = s.getsockname()\n await g(p)\n",
    ],
)
def test_a_port_that_outlives_its_socket_is_found(text):
    (function,) = functions(text)
    assert len(list(reused_ports(function))) == 1

"""The layers of the package: which module may import which.

A module imports, or cimports, only from a smaller layer, or from a module above it in its own. The
table is the order of the whole package from the ground up; a new module needs a row in it.
"""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.imports import (
    Import,
    has_textual_include,
    imports,
    module_name,
    sources,
)

ROOT = Path(__file__).parents[1]
SERVING = ROOT / "ngxloop" / "serving"

LAYERS: dict[int, list[str]] = {
    # Declarations and constants; they import nothing.
    0: [
        "version",
        "core.linux",
        "core.limits",
        "core.flag",
        "core.event",
        "core.atomic",
        "core.unchecked",
    ],
    # What knows no loop.
    1: [
        "core.oserr",
        "core.clock",
        "core.rbtree",
        "core.timerqueue",
        "core.sockaddr",
        "core.address_cache",
        "core.freelist",
        "core.methods",
        "core.completion",
    ],
    # The parts of a loop, each by itself.
    2: [
        "core.ready",
        "core.handle",
        "core.threadsafe_handle",
        "core.timers",
        "core.pool",
        "core.poller",
        "core.waker",
        "core.scoreboard",
        "core.callbacks",
    ],
    # Who accepts: one gate for each way.
    3: [
        "core.gate",
        "core.shared_gate",
        "core.exclusive_gate",
        "core.mutex_gate",
        "core.fair_gate",
        "core.gates",
    ],
    # The turn, and what asyncio's scheduling adds to it.
    4: [
        "core.stopwatch",
        "core.polling",
        "core.waiting",
        "core.reactor",
        "core.timed",
        "core.postedevent",
        "core.readyqueue",
        "core.timerlist",
        "core.stepping",
        "core.selector",
        "core.attributes",
        "core.scheduling",
    ],
    # What moves bytes, before there is a loop.
    5: [
        "core.watch",
        "core.sockops",
        "transports.outbuf",
        "transports.flow",
        "transports.datagram_inbox",
        "transports.datagram_outbox",
        "transports.receiver",
        "transports.streamreader",
        "transports.tlswindow",
        "transports.tlsmemory",
        "transports.tlsrecords",
        "transports.tlsobject",
        "transports.tlsengine",
        "leader",
    ],
    # Connections, HTTP on them, and asyncio's names for both.
    6: [
        "transports.idling",
        "transports.transport",
        "transports.writing",
        "transports.pipe",
        "transports.pipe_read",
        "transports.pipe_write",
        "transports.lingering",
        "transports.socket_transport",
        "transports.reading",
        "transports.stream",
        "transports.connecting",
        "transports.listener",
        "transports.datagram_sender",
        "transports.datagram",
        "transports.tlsflow",
        "transports.tlshandshake",
        "transports.tlslayer",
        "transports.tls",
        "http.limits",
        "http.refusals",
        "http.characters",
        "http.scanning",
        "http.names",
        "http.head",
        "http.lists",
        "http.targets",
        "http.requestline",
        "http.fieldlines",
        "http.framing",
        "http.headparser",
        "http.body",
        "http.errors",
        "http.proxies",
        "http.options",
        "http.running",
        "http.lifespan",
        "http.pathsend",
        "http.tlsextension",
        "http.lines",
        "http.messages",
        "http.transitions",
        "http.answerhead",
        "http.awaitables",
        "http.expiry",
        "http.fieldtable",
        "http.engine",
        "http.link",
        "http.scope",
        "http.inbound",
        "http.answer",
        "http.request",
        "http.unparsed",
        "http.closing",
        "http.websocket.utf8",
        "http.websocket.frames",
        "http.websocket.extensions",
        "http.websocket.handshake",
        "http.websocket.deflate",
        "http.websocket.inbox",
        "http.websocket.outbox",
        "http.websocket.pings",
        "http.websocket.wire",
        "http.websocket.session",
        "http.connection",
        "http.compiled",
        "http.server",
        "http",
        "aio.handles",
        "aio.forking",
        "aio.coroutines",
        "aio.sendfile",
        "aio.loop_base",
        "aio.tls",
        "aio.transports",
        "aio.connections",
        "aio.subprocess_transport",
        "aio.processes",
        "aio.running",
        "aio.monitoring",
    ],
    # The loop.
    7: [
        "compiled",
        "loop",
    ],
    # What a program imports.
    8: [
        "policy",
        "__init__",
    ],
    # The rooms of serving/, from the ground up: what all of them use.
    9: [
        "serving.base.plaintext",
        "serving.base.errors",
        "serving.base.application",
        "serving.base.badmessage",
        "serving.base.trust",
        "serving.base.guard",
        "serving.base.handlernames",
        "serving.base.optionvalue",
        "serving.base.states",
        "serving.base.timing",
    ],
    # serving/options/.
    10: [
        "serving.options.values",
        "serving.options.table",
        "serving.options.application",
        "serving.options.binds",
        "serving.options.http",
        "serving.options.websocket",
        "serving.options.listening",
        "serving.options.accessformat",
        "serving.options.logging",
        "serving.options.master",
        "serving.options.process",
        "serving.options.running",
        "serving.options.tls",
        "serving.options.workers",
    ],
    # serving/logs/.
    11: [
        "serving.logs.logfiles",
        "serving.logs.limitedlines",
        "serving.logs.logformats",
        "serving.logs.logs",
        "serving.logs.output",
    ],
    # serving/process/.
    12: [
        "serving.process.affinity",
        "serving.process.signals",
        "serving.process.children",
        "serving.process.closing",
        "serving.process.message",
        "serving.process.channel",
        "serving.process.cpus",
        "serving.process.stacks",
        "serving.process.process",
        "serving.process.daemon",
        "serving.process.failures",
        "serving.process.privileges",
        "serving.process.rlimits",
        "serving.process.variables",
        "serving.process.initialisation",
        "serving.process.parent",
        "serving.process.signalpause",
        "serving.process.poller",
        "serving.process.signaltimer",
        "serving.process.stackpipe",
        "serving.process.systemd",
        "serving.process.titles",
        "serving.process.filewatch",
    ],
    # serving/config/.
    13: [
        "serving.config.command_line",
        "serving.config.hooks",
        "serving.config.pemfiles",
        "serving.config.keypasswords",
        "serving.config.certificates",
        "serving.config.tls",
        "serving.config.config",
        "serving.config.config_file",
        "serving.config.environment",
        "serving.config.loading",
        "serving.config.reference",
    ],
    # serving/sockets/.
    14: [
        "serving.sockets.keeperlimits",
        "serving.sockets.bindrequest",
        "serving.sockets.default_address",
        "serving.sockets.requester",
        "serving.sockets.socketfiles",
        "serving.sockets.listeners",
        "serving.sockets.inherited",
        "serving.sockets.queues",
        "serving.sockets.acceptwatch",
        "serving.sockets.sharedsockets",
        "serving.sockets.keeper",
        "serving.sockets.keeperrecord",
        "serving.sockets.keeperprocesses",
        "serving.sockets.keepers",
        "serving.sockets.namedfile",
        "serving.sockets.portholders",
        "serving.sockets.opening",
        "serving.sockets.reuseport",
    ],
    # serving/worker/.
    15: [
        "serving.worker.accessfields",
        "serving.worker.accesslines",
        "serving.worker.shutdownsignals",
        "serving.worker.adapters.base",
        "serving.worker.adapters.asgi_records",
        "serving.worker.adapters.aiohttp",
        "serving.worker.adapters.asgi",
        "serving.worker.adapters.uvicorn_protocol",
        "serving.worker.keepalive",
        "serving.worker.adapters.asgi_uvicorn",
        "serving.worker.adapters.main",
        "serving.worker.adapters.protocol",
        "serving.worker.adapters.streams",
        "serving.worker.assignment",
        "serving.worker.keeperclient",
        "serving.worker.sharedbind",
        "serving.worker.interface",
        "serving.worker.nesting",
        "serving.worker.scripts",
        "serving.worker.check",
        "serving.worker.default_bind",
        "serving.worker.workerloop",
        "serving.worker.foreignloop",
        "serving.worker.libraries",
        "serving.worker.tlsrefusals",
        "serving.worker.unseenlisteners",
        "serving.worker.programwatch",
        "serving.worker.workergate",
        "serving.worker.workercore",
        "serving.worker.program",
        "serving.worker.worker",
        "serving.worker.preload",
    ],
    # serving/fleet/.
    16: [
        "serving.fleet.names",
        "serving.fleet.actions",
        "serving.fleet.journal",
        "serving.fleet.phases",
        "serving.fleet.settings",
        "serving.fleet.records",
        "serving.fleet.board",
        "serving.fleet.decision",
        "serving.fleet.pendingorders",
        "serving.fleet.socketdecisions",
        "serving.fleet.events",
        "serving.fleet.workers",
        "serving.fleet.spawning",
        "serving.fleet.shutdown",
        "serving.fleet.recycling",
        "serving.fleet.generations",
        "serving.fleet.commands",
        "serving.fleet.liveness",
        "serving.fleet.workerevents",
        "serving.fleet.machine",
        "serving.fleet.service",
        "serving.fleet.workerprocess",
        "serving.fleet.wakeups",
        "serving.fleet.messages",
        "serving.fleet.zygotes",
        "serving.fleet.workerforker",
        "serving.fleet.zygotestarter",
        "serving.fleet.reaper",
        "serving.fleet.processes",
        "serving.fleet.boardcheck",
        "serving.fleet.diagrams",
        "serving.fleet.executor",
        "serving.fleet.heartbeats",
        "serving.fleet.observer",
    ],
    # serving/handover/.
    17: [
        "serving.handover.compatibility",
        "serving.handover.newmaster",
        "serving.handover.handover",
        "serving.handover.pidfile",
    ],
    # serving/admin/.
    18: [
        "serving.admin.servicelog",
        "serving.admin.requestserver",
        "serving.admin.control",
        "serving.admin.reports",
        "serving.admin.defaultsocket",
        "serving.admin.ctl",
        "serving.admin.metrics",
        "serving.admin.notify",
        "serving.admin.orders",
        "serving.admin.status",
        "serving.admin.snapshots",
        "serving.admin.statuspage",
        "serving.admin.statusprocess",
        "serving.admin.statusline",
        "serving.admin.statussupervisor",
        "serving.admin.admin",
    ],
    # serving/master/.
    19: [
        "serving.master.audit",
        "serving.master.dispatcher",
        "serving.master.reconfiguration",
        "serving.master.actionhandlers",
        "serving.master.turn",
        "serving.master.components",
    ],
    # The master and its command.
    20: [
        "prefork",
        "cli",
        "__main__",
    ],
}

# Imports inside a function or class, as (module, imported module), and why they stand there.
LATE_IMPORTS: dict[tuple[str, str], str] = {}

# Packages of which __init__ holds nothing but a docstring, so that they have no row.
PACKAGES = [
    "ngxloop.aio",
    "ngxloop.core",
    "ngxloop.http.websocket",
    "ngxloop.serving",
    "ngxloop.serving.admin",
    "ngxloop.serving.base",
    "ngxloop.serving.config",
    "ngxloop.serving.fleet",
    "ngxloop.serving.handover",
    "ngxloop.serving.logs",
    "ngxloop.serving.master",
    "ngxloop.serving.options",
    "ngxloop.serving.process",
    "ngxloop.serving.sockets",
    "ngxloop.serving.worker",
    "ngxloop.serving.worker.adapters",
    "ngxloop.transports",
]

POSITIONS = {
    f"ngxloop.{module}".removesuffix(".__init__"): (layer, place)
    for layer, modules in LAYERS.items()
    for place, module in enumerate(modules)
}
SOURCES = sources(ROOT / "ngxloop")

EVERY_SOURCE = pytest.mark.parametrize(
    "path", SOURCES, ids=[str(path.relative_to(ROOT)) for path in SOURCES]
)


def target(found: Import) -> str:
    """Return the module of the package that an import names: `from a import b` may mean a.b."""
    inner = f"{found.module}.{found.name}"
    return inner if inner in POSITIONS else found.module


def test_every_module_has_a_row_and_every_row_a_module():
    found = {module_name(path, ROOT) for path in SOURCES}

    assert sorted(found - set(PACKAGES)) == sorted(POSITIONS)
    assert len(POSITIONS) == sum(map(len, LAYERS.values())), "a module has two rows"


@EVERY_SOURCE
def test_a_module_imports_only_from_below(path):
    module = module_name(path, ROOT)
    above = [
        f"line {found.line}: {target(found)}"
        for found in imports(path)
        if found.module.split(".")[0] == "ngxloop"
        and target(found) != module  # a .pyx cimports what its own .pxd declares
        and POSITIONS[target(found)] >= POSITIONS[module]
    ]

    assert not above, f"{module} stands below what it imports: {', '.join(above)}"


@EVERY_SOURCE
def test_a_module_is_named_in_full_and_nothing_is_taken_in_whole(path):
    found = imports(path)

    assert not [entry for entry in found if entry.module.startswith(".")], "relative import"
    assert not [entry for entry in found if entry.star], "star import"
    assert not has_textual_include(path), "textual include"


@EVERY_SOURCE
def test_imports_stand_at_the_top(path):
    module = module_name(path, ROOT)
    late = [
        f"line {found.line}: {found.module}"
        for found in imports(path)
        if found.late and (module, found.module) not in LATE_IMPORTS
    ]

    assert not late, f"{module} imports in a function or class: {', '.join(late)}"


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_is_empty(package):
    folder = ROOT / package.replace(".", "/")

    (docstring,) = ast.parse((folder / "__init__.py").read_text()).body
    assert isinstance(docstring, ast.Expr)
    assert isinstance(docstring.value, ast.Constant)


def test_a_room_imports_only_the_rooms_below_it():
    """The order is that of the docstring of serving/."""
    text = (SERVING / "__init__.py").read_text()
    rooms = re.findall(r"^    (\w+) ", text, re.MULTILINE)
    folders = {path.parent.name for path in SERVING.glob("*/__init__.py")}
    assert set(rooms) == folders
    floor = rooms.index
    above = [
        f"{module_name(path, ROOT)} imports {found.module}"
        for path in SOURCES
        if path.is_relative_to(SERVING)
        for found in imports(path)
        if found.module.startswith("ngxloop.serving.")
        and floor(found.module.split(".")[2]) < floor(path.relative_to(SERVING).parts[0])
    ]
    assert not above


@pytest.mark.parametrize(
    ("folders", "list_name"),
    [(("core", "transports"), "compiled"), (("http", "http/websocket"), "http/compiled")],
    ids=["loop", "http"],
)
def test_python_code_imports_every_compiled_module_and_what_those_import(folders, list_name):
    parts = [path for name in folders for path in (ROOT / "ngxloop" / name).glob("*.pyx")]
    compiled = {module_name(path, ROOT) for path in parts}
    needed = compiled | {
        found.module
        for path in parts
        for found in imports(path)
        if found.module.split(".")[0] in sys.stdlib_module_names and not found.is_cimport
    }

    seen = {found.module for found in imports(ROOT / "ngxloop" / f"{list_name}.py")}

    assert needed == seen


def test_every_folder_of_compiled_modules_has_a_list():
    assert {path.parent.name for path in SOURCES if path.suffix == ".pyx"} == {
        *("core", "transports", "http", "websocket")
    }


def test_a_loop_imports_no_http_server():
    program = "import sys, ngxloop.cli, ngxloop.prefork; print('ngxloop.http' in sys.modules)"
    output = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert output == "False\n"


def test_the_core_knows_no_asyncio():
    knowing = [
        str(path.relative_to(ROOT))
        for path in sources(ROOT / "ngxloop" / "core")
        if any(found.module.split(".")[0] == "asyncio" for found in imports(path))
    ]

    assert not knowing


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("import a", [("a", None, False)]),
        ("cimport a.b", [("a.b", None, False)]),
        ("from a cimport b as c, d", [("a", "b", False), ("a", "d", False)]),
        ("from a import (\n    b,\n    c,  # why\n)", [("a", "b", False), ("a", "c", False)]),
        ("from a import *", [("a", "*", False)]),
        ("if X:\n    import a", [("a", None, False)]),
        ("try:\n    import a\nexcept E:\n    pass", [("a", None, False)]),
        ("cdef int f():\n    import a", [("a", None, True)]),
        ("def f():\n    if X:\n        from a import b", [("a", "b", True)]),
        ('"""\nimport a\n"""\n# import b', []),
    ],
    ids=repr,
)
def test_imports_of_cython_sources_are_found(tmp_path, text, expected):
    source = tmp_path / "module.pyx"
    source.write_text(text)

    assert [(found.module, found.name, found.late) for found in imports(source)] == expected

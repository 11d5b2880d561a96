"""ngxloop-serve check: is the configuration usable, and is APP an application?

The application is loaded in a child that has done what a worker does first (user, folder,
variables), so that nothing of it is left here, whatever it does: nginx -t for applications.
Addresses are not tried: they are in use, as a rule, while somebody checks a new version.
"""

import asyncio
import contextlib
import os
import select
import signal
import traceback

import ngxloop
from ngxloop.serving.base.application import call_factory, load_object, user_errors
from ngxloop.serving.base.errors import ExitCode, StartError
from ngxloop.serving.config.config import Config
from ngxloop.serving.options.application import is_script
from ngxloop.serving.process.channel import Channel, channel_pair
from ngxloop.serving.process.message import MESSAGE_BYTES, MessageKind
from ngxloop.serving.process.process import exit_reason, fork_child
from ngxloop.serving.worker.interface import find_adapter
from ngxloop.serving.worker.scripts import find_script


def check(config: Config) -> str:
    """Return what kind of application it is.

    Raises:
        StartError: A worker could not start with it.
        ConfigError: A user, folder, limit or CPU is not there, or not ours.
    """
    config.prepare()
    ours, theirs = channel_pair()
    pid = fork_child(ours.close, lambda: _load(config, theirs))
    theirs.close()
    try:
        return _answer(config, ours, pid)
    finally:
        ours.close()
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(pid, signal.SIGKILL)  # its threads may go on
            os.waitpid(pid, 0)


def _answer(config: Config, channel: Channel, pid: int) -> str:
    poll = select.poll()
    poll.register(channel.fileno(), select.POLLIN)
    if not poll.poll(config.start_timeout * 1000):
        line = f"{config.app} was not loaded after {config.start_timeout:g} s"
        raise StartError(ExitCode.START_TIMEOUT, f"{line}; see where it waits")
    for message in channel.receive():
        if message.kind is MessageKind.FAILED:
            raise StartError.unpack(message.payload)
        return message.payload.decode()
    _, status = os.waitpid(pid, 0)
    line = f"the process that loads {config.app} {exit_reason(os.waitstatus_to_exitcode(status))}"
    raise StartError(ExitCode.START_TIMEOUT, f"{line}; load it by itself to see why")


def _load(config: Config, channel: Channel) -> int:
    """Load the application and say what it is; in the child."""
    try:
        config.start_plan.apply(0)
        if is_script(config.app):
            return _check_script(config, channel)
        with asyncio.Runner(loop_factory=ngxloop.new_event_loop) as runner:
            asyncio.set_event_loop(runner.get_loop())
            found = load_object(config.app, config.app_dir)
            kind = runner.run(_recognise(config, found))
        channel.send(MessageKind.READY, kind.encode())
    except StartError as error:
        failure = error
    except Exception as error:
        line = f"loading {config.app} failed: {type(error).__name__}: {error}"
        failure = StartError(ExitCode.INTERNAL, line, traceback.format_exc())
    else:
        return ExitCode.OK
    channel.send(MessageKind.FAILED, failure.pack(MESSAGE_BYTES - 1))
    return failure.code


def _check_script(config: Config, channel: Channel) -> int:
    """See whether a script compiles; to run it would be to serve."""
    script = find_script(config.app, config.app_dir)
    try:
        with user_errors(ExitCode.IMPORT_FAILED, f"{config.app} is not a Python program: {{}}"):
            script.compile()
    except StartError as error:
        if not isinstance(error.__cause__, OSError):
            raise
        line = f"cannot read the script {config.app}: {error.__cause__.strerror}"
        raise StartError(ExitCode.NO_MODULE, f"{line}; give its path") from None
    channel.send(MessageKind.READY, b"script")
    return ExitCode.OK


async def _recognise(config: Config, application: object) -> str:
    if config.factory:
        application = await call_factory(application, config.app)
    return find_adapter(application, config).name

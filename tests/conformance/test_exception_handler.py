"""What a loop reports, to whom, and in which context."""

import asyncio
import contextvars
import logging
import sys

import pytest


def run_one_turn(loop: asyncio.AbstractEventLoop) -> None:
    """Run what is ready now."""
    loop.call_soon(loop.stop)
    loop.run_forever()


def fail(*_args):
    raise ZeroDivisionError("on purpose")


class OddException(BaseException):
    """An exception that is neither an Exception nor one that ends the run."""


def test_the_report_about_a_callback_names_message_exception_and_handle(loop, reports):
    handle = loop.call_soon(fail)

    run_one_turn(loop)

    report = reports.pop()
    line = fail.__code__.co_firstlineno
    assert report["message"] == f"Exception in callback fail() at {__file__}:{line}"
    assert isinstance(report["exception"], ZeroDivisionError)
    assert report["handle"] is handle
    assert set(report) == {"message", "exception", "handle"}


def test_the_report_about_a_timer_names_its_handle(loop, reports):
    handle = loop.call_later(0, fail)

    run_one_turn(loop)
    run_one_turn(loop)

    assert reports.pop()["handle"] is handle


def test_an_exception_that_is_no_exception_subclass_is_reported_too(loop, reports):
    def callback():
        raise OddException

    loop.call_soon(callback)
    run_one_turn(loop)

    assert isinstance(reports.pop()["exception"], OddException)


def test_the_handler_is_called_with_the_loop_and_the_context(loop):
    seen = []
    loop.set_exception_handler(lambda *args: seen.append(args))
    context = {"message": "hello"}

    loop.call_exception_handler(context)

    assert seen == [(loop, context)]


def test_get_exception_handler_returns_what_was_set(loop):
    def handler(_loop, _context):
        raise AssertionError("not reached")

    loop.set_exception_handler(handler)
    assert loop.get_exception_handler() is handler
    loop.set_exception_handler(None)
    assert loop.get_exception_handler() is None


def test_set_exception_handler_refuses_what_cannot_be_called(loop):
    with pytest.raises(TypeError, match="A callable object or None is expected"):
        loop.set_exception_handler(42)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="new in Python 3.12")
def test_the_handler_runs_in_the_context_of_the_handle(loop):
    variable = contextvars.ContextVar("variable", default="outside")
    context = contextvars.copy_context()
    context.run(variable.set, "inside")
    seen = []
    loop.set_exception_handler(lambda _loop, _report: seen.append(variable.get()))
    loop.call_soon(fail, context=context)

    run_one_turn(loop)

    assert seen == ["inside"]


def test_without_a_handler_the_report_is_logged(loop, caplog):
    loop.set_exception_handler(None)
    loop.call_soon(fail)

    run_one_turn(loop)

    (record,) = caplog.records
    assert record.name == "asyncio"
    assert record.levelno == logging.ERROR
    assert record.getMessage().startswith("Exception in callback fail() at ")
    assert record.exc_info[0] is ZeroDivisionError


def test_the_default_handler_of_a_subclass_is_used(loop):
    seen = []

    class Loop(type(loop)):
        def default_exception_handler(self, context):
            seen.append(context["message"])

    quiet = Loop()
    quiet.call_exception_handler({"message": "hello"})
    quiet.close()

    assert seen == ["hello"]


def test_the_default_handler_can_be_called_by_a_handler(loop, caplog):
    loop.set_exception_handler(lambda loop, context: loop.default_exception_handler(context))

    loop.call_exception_handler({"message": "hello", "extra": "value"})

    assert caplog.records[0].getMessage() == "hello\nextra: 'value'"


def test_a_handler_that_raises_is_logged_with_the_report_it_was_given(loop, caplog):
    loop.set_exception_handler(fail)

    loop.call_exception_handler({"message": "the first trouble"})

    message = caplog.records[0].getMessage()
    assert message.startswith("Unhandled error in exception handler")
    assert "the first trouble" in message
    assert caplog.records[0].exc_info[0] is ZeroDivisionError


@pytest.mark.parametrize("exception", [KeyboardInterrupt, SystemExit])
def test_an_exit_exception_raised_by_the_handler_ends_the_run(loop, exception):
    def handler(_loop, _context):
        raise exception

    loop.set_exception_handler(handler)
    loop.call_soon(fail)

    with pytest.raises(exception):
        loop.run_forever()


def test_the_default_handler_tells_where_the_failing_callback_was_scheduled(loop, caplog):
    loop.set_exception_handler(None)
    loop.set_debug(True)
    loop.slow_callback_duration = 3600

    def callback():
        loop.call_exception_handler({"message": "from within a callback"})

    loop.call_soon(callback)
    run_one_turn(loop)

    message = caplog.records[0].getMessage()
    assert "Handle created at (most recent call last):" in message
    assert __file__ in message


def test_a_task_whose_exception_nobody_retrieves_is_reported(loop, reports):
    async def failing():
        fail()

    async def main():
        task = asyncio.create_task(failing(), name="failing one")
        await asyncio.wait([task])

    loop.run_until_complete(main())

    report = reports.pop()
    assert report["message"] == "Task exception was never retrieved"
    assert isinstance(report["exception"], ZeroDivisionError)
    assert report["future"].get_name() == "failing one"


def test_a_callback_of_a_future_that_raises_is_reported(loop, reports):
    future = loop.create_future()
    future.add_done_callback(fail)
    future.set_result(None)

    run_one_turn(loop)

    assert reports.pop()["message"].startswith("Exception in callback fail(")

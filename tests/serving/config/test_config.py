"""A Config with a value that cannot be used is not made."""

import dataclasses
import logging

import pytest

from ngxloop.serving.base.errors import ConfigError
from ngxloop.serving.config.config import Config
from ngxloop.serving.options.binds import TcpBind, UnixBind
from ngxloop.serving.process.cpus import usable_cpus


def test_defaults_are_usable():
    config = Config(app="shop.web:app")
    assert config.binds == []
    assert config.count_workers() == (1, "")
    assert config.log_threshold == logging.INFO


def test_binds_are_parsed_each_once():
    binds = ["127.0.0.1:80", "unix:/run/app.sock", "127.0.0.1:80"]
    config = Config(app="a:b", bind=binds)
    assert config.binds == [TcpBind("127.0.0.1", 80), UnixBind("/run/app.sock")]


def test_workers_auto_are_the_usable_cpus():
    assert Config(app="a:b", workers="auto").count_workers() == usable_cpus()


def test_config_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Config(app="a:b").app = "c:d"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(
            ("app", value)
            for value in ("", "-m ", "a/b:c", "a:", ":b", "a b:c", "a:b c", "a.:b", None, 1)
        ),
        *(("bind", value) for value in ((), "127.0.0.1:80", ("x",), (":1", ":x"))),
        *(("workers", value) for value in (0, -1, 1025, 1.5, True, "many", "4", None)),
        *(("accept", value) for value in ("", "Fair", None)),
        *(("backlog", value) for value in (0, -1, 1.5, "9", None, True)),
        *(("socket_mode", value) for value in (-1, 0o1000, "666", None, True)),
        *(("interface", value) for value in ("", "wsgi", None)),
        *(("app_dir", value) for value in ("", None, 1)),
        *(("graceful_timeout", value) for value in (-1, float("inf"), float("nan"), "1", None)),
        *(("idle_grace", value) for value in (-0.1, float("inf"), "1", 1e300)),
        *(("graceful_timeout", value) for value in (10_000_001, 1e300)),
        *(("start_timeout", value) for value in (0, -1, float("inf"))),
        *(("log_level", value) for value in ("", "INFO", "loud", None)),
    ],
)
def test_value_that_cannot_be_used_is_refused_by_option(field, value):
    with pytest.raises(ConfigError) as caught:
        Config(**{"app": "a:b", field: value})
    assert caught.value.option == field.replace("_", "-")
    assert str(caught.value) == f"{caught.value.option}: {caught.value.problem}"

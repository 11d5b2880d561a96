"""Options from four sources, with one precedence; each mistake names the place it was made in."""

import itertools
import os
import tomllib

import pytest

from ngxloop.serving.base.errors import ConfigError
from ngxloop.serving.config.command_line import UsageError
from ngxloop.serving.config.config import OPTIONS, Config
from ngxloop.serving.config.loading import ConfigReader, print_config

APP = ["shop.web:app"]


def load(folder, *arguments, **environment):
    return ConfigReader(arguments, environment, str(folder)).load()


def test_command_line_goes_before_environment_before_file_before_default(tmp_path):
    (tmp_path / "ngxloop.toml").write_text("backlog = 1\nworkers = 1\nidle-grace = 1.5\n")
    loaded = load(tmp_path, *APP, "--backlog", "3", NGXLOOP_BACKLOG="2", NGXLOOP_WORKERS="2")
    config, origins = loaded.config, loaded.origins
    assert (config.backlog, config.workers, config.idle_grace) == (3, 2, 1.5)
    assert config.start_timeout == 60.0
    assert origins["backlog"] == "--backlog"
    assert origins["workers"] == "NGXLOOP_WORKERS"
    assert origins["idle_grace"] == f"{tmp_path}/ngxloop.toml: idle-grace"
    assert origins["start_timeout"] == "default"


def test_application_may_stand_in_the_file(tmp_path):
    (tmp_path / "ngxloop.toml").write_text('app = "shop.web:app"\n')
    assert load(tmp_path).config == Config(app="shop.web:app")


def test_application_nowhere_is_refused(tmp_path):
    with pytest.raises(UsageError, match="APP"):
        load(tmp_path)


def test_application_that_has_left_the_file_is_refused_on_a_reload(tmp_path):
    (tmp_path / "ngxloop.toml").write_text('app = "shop.web:app"\n')
    reader = ConfigReader([], {}, str(tmp_path))
    reader.load_config()
    (tmp_path / "ngxloop.toml").write_text("")
    with pytest.raises(ConfigError, match="APP"):
        reader.load_config()


def test_list_replaces_the_list_of_a_weaker_source(tmp_path):
    (tmp_path / "ngxloop.toml").write_text('bind = [":1", ":2"]\n')
    assert load(tmp_path, *APP).config.bind == (":1", ":2")
    assert load(tmp_path, *APP, NGXLOOP_BIND=":3, :4,").config.bind == (":3", ":4")
    assert load(tmp_path, *APP, "-b", ":5", NGXLOOP_BIND=":3").config.bind == (":5",)


@pytest.mark.parametrize(
    ("text", "expected"), [("1", True), ("Yes", True), ("0", False), ("off", False), ("", False)]
)
def test_flag_in_the_environment_is_a_word(tmp_path, text, expected):
    assert load(tmp_path, *APP, NGXLOOP_FACTORY=text).config.factory is expected


def test_flag_of_a_file_is_undone_on_the_command_line(tmp_path):
    (tmp_path / "ngxloop.toml").write_text("factory = true\n")
    assert load(tmp_path, *APP).config.factory
    assert not load(tmp_path, *APP, "--no-factory").config.factory


def test_web_concurrency_is_heard_after_our_own_variable(tmp_path):
    assert load(tmp_path, *APP, WEB_CONCURRENCY="3").config.workers == 3
    assert load(tmp_path, *APP, WEB_CONCURRENCY="3", NGXLOOP_WORKERS="2").config.workers == 2


def test_sockets_of_systemd_are_for_the_process_that_they_name(tmp_path):
    passed = {"LISTEN_FDS": "2", "LISTEN_PID": str(os.getpid())}
    assert load(tmp_path, *APP, **passed).config.bind == ("systemd:",)
    assert load(tmp_path, *APP, "--bind", ":1", **passed).config.bind == (":1",)
    assert load(tmp_path, *APP, "--daemon", **passed).config.bind is None
    assert load(tmp_path, *APP, **{**passed, "LISTEN_PID": "1"}).config.bind is None
    assert load(tmp_path, *APP, **{**passed, "LISTEN_FDS": "0"}).config.bind is None


def test_empty_web_concurrency_is_none(tmp_path):
    assert load(tmp_path, *APP, WEB_CONCURRENCY="").config.workers == 1
    with pytest.raises(ConfigError, match="NGXLOOP_WORKERS: ''"):
        load(tmp_path, *APP, NGXLOOP_WORKERS="")


def test_log_level_may_be_written_as_by_the_logging_module(tmp_path):
    assert load(tmp_path, *APP, "--log-level", "INFO").config.log_level == "info"
    (tmp_path / "ngxloop.toml").write_text('log-level = "Warning"\n')
    assert load(tmp_path, *APP).config.log_level == "warning"


@pytest.mark.parametrize("table", ["ngxloop", "tool.ngxloop"])
def test_table_of_the_other_file_is_said_to_be_needless(tmp_path, table):
    (tmp_path / "ngxloop.toml").write_text(f"[{table}]\nworkers = 2\n")
    with pytest.raises(ConfigError, match="in this file the options need no table"):
        load(tmp_path, *APP)


def test_keys_may_have_dashes_or_underscores(tmp_path):
    (tmp_path / "ngxloop.toml").write_text("start_timeout = 3\nsocket-mode = '660'\n")
    config = load(tmp_path, *APP).config
    assert (config.start_timeout, config.socket_mode) == (3, 0o660)


def test_project_file_is_read_if_there_is_no_other(tmp_path):
    (tmp_path / "pyproject.toml").write_text("[project]\nname='x'\n[tool.ngxloop]\nworkers = 2\n")
    assert load(tmp_path, *APP).config.workers == 2
    (tmp_path / "ngxloop.toml").write_text("workers = 3\n")
    assert load(tmp_path, *APP).config.workers == 3


def test_project_file_of_others_says_nothing(tmp_path):
    (tmp_path / "pyproject.toml").write_text("[tool.other]\nworkers = 2\n")
    assert load(tmp_path, *APP).config.workers == 1


def test_named_file_is_read_instead(tmp_path):
    (tmp_path / "ngxloop.toml").write_text("workers = 3\n")
    (tmp_path / "other.toml").write_text("backlog = 9\n")
    for loaded in (
        load(tmp_path, *APP, "--config", "other.toml"),
        load(tmp_path, *APP, NGXLOOP_CONFIG=str(tmp_path / "other.toml")),
    ):
        assert (loaded.config.workers, loaded.config.backlog) == (1, 9)


def test_file_is_read_anew_each_time(tmp_path):
    (tmp_path / "ngxloop.toml").write_text("workers = 3\n")
    reader = ConfigReader(APP, {}, str(tmp_path))
    assert reader.load_config().workers == 3
    (tmp_path / "ngxloop.toml").write_text("workers = 4\n")
    assert reader.load_config().workers == 4


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("wokers = 4", ["ngxloop.toml: ", "'wokers'", "did you mean workers?"]),
        ("[workers]\ncount = 4", ["ngxloop.toml: workers: ", "is not a number of workers"]),
        ("xyz = 4", ["ngxloop.toml: ", "'xyz'", "--help"]),
        ("workers = '4'", ["ngxloop.toml: workers: '4' is not a number of workers"]),
        ("workers = true", ["ngxloop.toml: workers: True is not"]),
        ("factory = 'yes'", ["ngxloop.toml: factory: 'yes'", "true or false"]),
        ("bind = 80", ["ngxloop.toml: bind: 80 is not a list of addresses"]),
        ("bind = [80]", ["ngxloop.toml: bind: '80' is not an address"]),
        ("bind = []", ["ngxloop.toml: bind: an empty list"]),
        ("workers = 4\nbacklog = x", ["ngxloop.toml: is not valid TOML", "line 2"]),
        ("start-timeout = 1\nstart_timeout = 2", ["ngxloop.toml: ", "'start-timeout'", "twice"]),
    ],
)
def test_mistake_in_a_file_names_file_and_key(tmp_path, content, words):
    (tmp_path / "ngxloop.toml").write_text(content)
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, *APP)
    for word in words:
        assert word in str(caught.value)
    assert "\n" not in str(caught.value)


def test_file_that_is_not_there_is_refused_by_what_named_it(tmp_path):
    with pytest.raises(ConfigError, match=r"^--config: cannot read .*x\.toml: No such file"):
        load(tmp_path, *APP, "--config", "x.toml")
    with pytest.raises(ConfigError, match=r"^NGXLOOP_CONFIG: cannot read .*x\.toml: No such file"):
        load(tmp_path, *APP, NGXLOOP_CONFIG="x.toml")


def test_mistake_in_the_environment_names_the_variable(tmp_path):
    with pytest.raises(ConfigError, match=r"^WEB_CONCURRENCY: 'many' is not a number of workers"):
        load(tmp_path, *APP, WEB_CONCURRENCY="many")


def test_slip_in_the_environment_is_a_warning(tmp_path):
    (line,) = load(tmp_path, *APP, NGXLOOP_WOKERS="4").warnings
    assert (
        line == "NGXLOOP_WOKERS in the environment is not an option; did you mean NGXLOOP_WORKERS?"
    )


def test_variables_that_kubernetes_sets_for_a_service_are_none_of_ours(tmp_path):
    assert not load(tmp_path, *APP, NGXLOOP_PORT_8000_TCP_ADDR="10.0.0.1").warnings


def test_printed_configuration_is_a_file_that_gives_the_same(tmp_path):
    given = ["--workers", "auto", "-b", ":1", "-b", 'unix:/"a b"\\', "--socket-mode", "600"]
    loaded = load(tmp_path, *APP, *given, "--graceful-timeout", "0.5", "--factory")
    text = "\n".join(print_config(loaded))
    assert tomllib.loads(text)["socket-mode"] == 0o600
    (tmp_path / "ngxloop.toml").write_text(text)
    assert load(tmp_path).config == loaded.config


def test_every_option_has_names_of_its_own():
    flags = itertools.chain.from_iterable((option.flag, option.short) for option in OPTIONS)
    variables = itertools.chain.from_iterable((one.variable, *one.variables) for one in OPTIONS)
    for names in (list(filter(None, flags)), list(variables)):
        assert len(set(names)) == len(names)


def test_every_default_passes_its_own_check():
    for option in OPTIONS:
        assert option.is_required or option.check(option.default) is None

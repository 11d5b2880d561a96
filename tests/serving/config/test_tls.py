"""TLS options: each mistake is one line that says what is wrong, where, and what to do."""

import errno
import os
import ssl

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from ngxloop.serving.base.errors import ConfigError, ExitCode
from ngxloop.serving.config import pemfiles
from ngxloop.serving.config.config import Config
from ngxloop.serving.config.loading import ConfigReader, print_config
from ngxloop.serving.config.tls import load_tls
from tests.serving.support import APPS, command, run_to_end
from tests.serving.terminal_support import AtTerminal
from tests.support.authority import Authority, key_pem

CHECK = ("check", "web_tls:app", "--interface", "asgi", "--app-dir", str(APPS))


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


@pytest.fixture
def pair(authority):
    return authority.issue("localhost")


def config(**options):
    return Config(app="a:b", **{name: value for name, value in options.items() if value})


def problem_of(**options):
    """Return the option and the line with which the certificates are refused."""
    with pytest.raises(ConfigError) as caught:
        load_tls(config(**options), is_strict=False)
    return caught.value.option, caught.value.problem


# ---- values


@pytest.mark.parametrize(
    ("options", "option", "problem"),
    [
        ({"ssl_keyfile": ["k"]}, "ssl-keyfile", "needs a certificate"),
        ({"ssl_min_version": "1.3"}, "ssl-min-version", "needs a certificate"),
        ({"ssl_handshake_timeout": 5.0}, "ssl-handshake-timeout", "needs a certificate"),
        ({"bind": ["https://:443"]}, "bind", ":443 needs a certificate to speak TLS"),
        ({"bind": ["tls://unix:/a"]}, "bind", "unix:/a needs a certificate to speak TLS"),
        (
            {"ssl_certfile": ["a", "b"], "ssl_keyfile": ["a"]},
            "ssl-keyfile",
            "1 keys for 2 certificates; give each --ssl-certfile its --ssl-keyfile",
        ),
        (
            {"ssl_certfile": ["a"], "ssl_cert_reqs": "optional"},
            "ssl-cert-reqs",
            "optional needs a CA .* give --ssl-ca-certs",
        ),
        (
            {"ssl_certfile": ["a"], "bind": ["http://:80", "https://:80"]},
            "bind",
            ":80 is given both with and without TLS",
        ),
        ({"ssl_certfile": ["a"], "ssl_cert_reqs": "3"}, "ssl-cert-reqs", "'3' is not one of none"),
        ({"ssl_certfile": ["a"], "ssl_min_version": "1.1"}, "ssl-min-version", "'1.1' is not one"),
        ({"status_bind": "https://:1"}, "status-bind", "the status is told without TLS"),
    ],
)
def test_options_that_contradict_each_other_are_refused(options, option, problem):
    with pytest.raises(ConfigError, match=problem) as caught:
        Config(app="a:b", **options)
    assert caught.value.option == option


@pytest.mark.parametrize("app", ["server.py", "-m server"])
def test_programs_have_no_certificates(app):
    with pytest.raises(ConfigError, match="a program does not have this option"):
        Config(app=app, ssl_certfile=["a"])


@pytest.mark.parametrize(("word", "meant"), [("0", "none"), ("1", "optional"), ("2", "required")])
def test_modes_have_the_numbers_of_the_ssl_module(word, meant):
    arguments = ["a:b", "--ssl-certfile", "c", "--ssl-ca-certs", "a", "--ssl-cert-reqs", word]
    with pytest.raises(ConfigError, match="cannot read c"):
        ConfigReader(arguments, {}).load()
    assert ssl.VerifyMode(int(word)).name == f"CERT_{meant.upper()}"


# ---- files


def test_two_pairs_in_a_file_of_options_are_read(authority, tmp_path):
    pairs = [authority.issue(name) for name in ("a.test", "b.test")]
    lines = [
        'app = "a:b"',
        f"ssl-certfile = {[str(pair.certificate) for pair in pairs]}",
        f"ssl-keyfile = {[str(pair.key) for pair in pairs]}",
        "ssl-min-version = 1.3",
    ]
    (tmp_path / "ngxloop.toml").write_text("\n".join(lines))
    loaded = ConfigReader([], {}, str(tmp_path)).load()
    tls = loaded.config.tls
    assert tls.find_by_sni("a.test") is tls.context
    assert tls.find_by_sni("b.test") is not tls.context
    assert tls.context.minimum_version is ssl.TLSVersion.TLSv1_3


def test_key_may_stand_in_the_file_of_the_certificate(pair, tmp_path):
    both = tmp_path / "both.pem"
    both.write_bytes(pair.key.read_bytes() + pair.certificate.read_bytes())
    tls = load_tls(config(ssl_certfile=[str(both)]), is_strict=False)
    assert tls.context.certificate_pem == pair.pem


def test_missing_file_is_named(pair, tmp_path):
    missing = str(tmp_path / "missing.pem")
    line = f"cannot read {missing}: No such file or directory; check the path"
    assert problem_of(ssl_certfile=[missing]) == ("ssl-certfile", line)
    both = {"ssl_certfile": [str(pair.certificate)], "ssl_keyfile": [missing]}
    assert problem_of(**both) == ("ssl-keyfile", line)
    pairs = {"ssl_certfile": [str(pair.certificate)], "ssl_keyfile": [str(pair.key)]}
    assert problem_of(**pairs, ssl_ca_certs=missing) == ("ssl-ca-certs", line)


@pytest.mark.parametrize("content", [b"", b"nothing\n", b"-----BEGIN CERTIFICATE-----\n!\n"])
def test_file_without_a_certificate_is_named(pair, tmp_path, content):
    empty = tmp_path / "empty.pem"
    empty.write_bytes(content)
    option, line = problem_of(ssl_certfile=[str(empty)], ssl_keyfile=[str(pair.key)])
    assert option == "ssl-certfile"
    assert line.startswith(f"{empty} contains no certificates in PEM, or a damaged one; ")
    pairs = {"ssl_certfile": [str(pair.certificate)], "ssl_keyfile": [str(pair.key)]}
    option, line = problem_of(**pairs, ssl_ca_certs=str(empty))
    assert option == "ssl-ca-certs"
    assert line.startswith(f"{empty} contains no certificates in PEM, or a damaged one; ")


def test_file_without_a_key_is_named(pair):
    option, line = problem_of(ssl_certfile=[str(pair.certificate)])
    assert option == "ssl-certfile"
    assert line.endswith("; give --ssl-keyfile too")
    files = {"ssl_certfile": [str(pair.certificate)], "ssl_keyfile": [str(pair.certificate)]}
    option, line = problem_of(**files)
    assert (option, line) == (
        "ssl-keyfile",
        f"{pair.certificate} contains no private keys in PEM; give the file with the key",
    )


@pytest.mark.parametrize(
    "make",
    [
        lambda: ec.generate_private_key(ec.SECP256R1()),
        lambda: rsa.generate_private_key(65537, 2048),
    ],
    ids=["same kind", "other kind"],
)
def test_key_of_another_certificate_is_named(pair, tmp_path, make):
    other = tmp_path / "other.key"
    other.write_bytes(key_pem(make(), None))
    option, line = problem_of(ssl_certfile=[str(pair.certificate)], ssl_keyfile=[str(other)])
    assert option == "ssl-keyfile"
    problem = f"the key in {other} does not match the certificate in {pair.certificate}"
    assert line.startswith(problem)


def test_damaged_key_is_named(pair):
    key = pair.key.read_text().splitlines()
    pair.key.write_text("\n".join([key[0], "AAAA", key[-1]]))
    option, line = problem_of(ssl_certfile=[str(pair.certificate)], ssl_keyfile=[str(pair.key)])
    assert option == "ssl-certfile"
    assert f"with the key in {pair.key}" in line


def test_pipe_is_refused_at_once(pair, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    option, line = problem_of(ssl_certfile=[str(pipe)])
    assert (option, line) == (
        "ssl-certfile",
        f"cannot read {pipe}: not a regular file; give a file in PEM",
    )


@pytest.mark.parametrize("missing", ["memfd_create", "/proc"])
def test_system_without_what_is_needed_is_named(pair, monkeypatch, missing):
    def refuse(name):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    if missing == "/proc":
        monkeypatch.setattr(pemfiles, "_FDS", "/nowhere")
    else:
        monkeypatch.setattr(os, missing, refuse)
    option, line = problem_of(ssl_certfile=[str(pair.certificate)], ssl_keyfile=[str(pair.key)])
    assert option == "ssl-certfile"
    assert missing in line


def test_cipher_that_openssl_does_not_know_is_named(pair):
    files = {"ssl_certfile": [str(pair.certificate)], "ssl_keyfile": [str(pair.key)]}
    option, line = problem_of(**files, ssl_ciphers="ROT13")
    assert (option, line) == (
        "ssl-ciphers",
        "OpenSSL supports no ciphers of 'ROT13'; see `openssl ciphers -v`",
    )


# ---- warnings


def warnings_of(*pairs, **options):
    files = {
        "ssl_certfile": [str(pair.certificate) for pair in pairs],
        "ssl_keyfile": [str(pair.key) for pair in pairs],
    }
    return list(load_tls(config(**files, **options), is_strict=False).warnings)


def test_expired_certificate_is_a_warning(authority):
    old = authority.issue("old.test", days=-30)
    (line,) = warnings_of(old)
    assert line.startswith(f"the certificate in {old.certificate} has expired on 20")


def test_certificate_that_is_never_used_is_a_warning(authority):
    first, second = authority.issue("a.test", "b.test"), authority.issue("b.test")
    (line,) = warnings_of(first, second)
    assert line == (
        f"the certificate in {second.certificate} is never used: {first.certificate} has its names"
    )
    assert warnings_of(second, first) == []


def test_authorities_without_a_question_are_a_warning(authority, pair):
    (line,) = warnings_of(pair, ssl_ca_certs=str(authority.path))
    assert line.startswith("ssl-ca-certs has no effect: no client certificates are requested; ")


# ---- the password


def test_password_is_given_or_refused(authority):
    pair = authority.issue("secret.test", password="open sesame")
    files = {"ssl_certfile": [str(pair.certificate)], "ssl_keyfile": [str(pair.key)]}
    load_tls(config(**files, ssl_keyfile_password="open sesame"), is_strict=False)
    wrong = ("ssl-keyfile-password", f"wrong password for the key in {pair.key}")
    for password in ("open wheat", "x" * 5000):
        assert problem_of(**files, ssl_keyfile_password=password) == wrong
    option, line = problem_of(**files)
    assert option == "ssl-keyfile"
    assert line.startswith(f"the key in {pair.key} is encrypted, and there is no terminal to ask")


def test_password_is_never_printed(authority):
    pair = authority.issue("secret.test", password="open sesame")
    loaded = ConfigReader(
        ["a:b", *pair.options, "--ssl-keyfile-password", "open sesame"], {}
    ).load()
    text = "\n".join(print_config(loaded))
    assert "sesame" not in text
    assert "# ssl-keyfile-password is not shown; --ssl-keyfile-password" in text


@pytest.mark.parametrize(
    ("typed", "code", "line"),
    [
        (b"open sesame\n", ExitCode.OK, "ok: web_tls:app is served as asgi"),
        (b"open wheat\n", ExitCode.USAGE, "ssl-keyfile: wrong password for the key in "),
        (b"\x03", ExitCode.USAGE, "ssl-keyfile: no password given for "),
        (b"\x04", ExitCode.USAGE, "ssl-keyfile: no password given for "),
    ],
    ids=["right", "wrong", "Ctrl-C", "Ctrl-D"],
)
def test_password_is_asked_for_at_the_terminal(authority, typed, code, line):
    pair = authority.issue("secret.test", password="open sesame")
    with AtTerminal(command(*CHECK, *pair.options)) as program:
        program.shown(r"password of \S+: ")
        program.type(typed)
        program.shown(line)
        assert program.ended() == code
        assert program.text.count("password of") == 1
        assert "sesame" not in program.text
        assert "Traceback" not in program.text


# ---- check


def test_check_says_where_a_mistake_was_written(pair, tmp_path):
    result = run_to_end(command(*CHECK, "--ssl-certfile", str(tmp_path / "missing.pem")))
    assert result.returncode == ExitCode.USAGE
    assert result.stderr.startswith("ngxloop-serve: --ssl-certfile: cannot read /")
    assert result.stderr.count("\n") == 1


def test_check_warns_of_an_expired_certificate(authority):
    old = authority.issue("old.test", days=-30)
    result = run_to_end(command(*CHECK, *old.options))
    assert result.returncode == 0
    assert f"the certificate in {old.certificate} has expired on" in result.stderr

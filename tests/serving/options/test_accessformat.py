"""Formats of the access log in both notations, and those of which no line can be made."""

import pytest

from ngxloop.serving.options.accessformat import FIELDS, parse_access_format


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("%(h)s %(s)d %({X-Id}i)s", "%(h)s %(s)d %({X-Id}i)s"),
        ('%a %t "%r" %>s %b %Tf %P', '%(h)s %(t)s "%(r)s" %(s)s %(b)s %(duration).6f %(p)s'),
        (
            "%h 100%% %{Referer}i %{Etag}o %{HOME}e",
            "%(h)s 100%% %({Referer}i)s %({Etag}o)s %({HOME}e)s",
        ),
    ],
)
def test_format_is_translated_to_one_notation(text, line):
    assert parse_access_format(text).line == line


def test_format_knows_which_header_fields_it_names():
    assert parse_access_format("%(h)s %({referer}i)s %({a}e)s").named == ("{referer}i", "{a}e")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("no field", "has no field"),
        ("100%% of %%", "has no field"),
        ("%(colour)s", "unknown field 'colour'"),
        ("%({x}y)s", "unknown field '{x}y'"),
        ("%(h)d", "%d format"),
        ("%(status)", "incomplete format"),
        ("%(D)c", "%c arg not in range"),
        ("%(h)999999999999999s", "a field that is too wide"),
        ("%(h)s %s", "a % without the name"),
        ("%s %(h)s", "a % without the name"),
        ("%(h)y", "unsupported format character"),
        ("%a %y", "unknown field '%y'"),
        ("%a %", "unknown field '%'"),
        ("%a %!", "unknown field '%!'"),
        ("%{x}y %a", "unknown field"),
    ],
)
def test_format_of_which_no_line_can_be_made_is_refused(text, problem):
    with pytest.raises(ValueError, match=problem.replace("{", r"\{")) as caught:
        parse_access_format(text)
    assert repr(text) in str(caught.value)
    assert "use %(h)s" in str(caught.value)


def test_every_field_can_be_a_format():
    for name, value in FIELDS.items():
        conversion = "s" if isinstance(value, str) else "d"
        assert parse_access_format(f"%({name}){conversion}")

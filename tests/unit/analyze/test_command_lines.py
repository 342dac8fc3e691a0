# SPDX-License-Identifier: Apache-2.0
"""Command lines become argv without a shell, or are refused with the reason."""

from __future__ import annotations

import pytest

from homeport.analyze.command import from_words, parse_command, port_of


@pytest.mark.parametrize(
    ("text", "argv"),
    [
        ("python main.py", ("python", "main.py")),
        ("  exec node  'my app.js' ", ("node", "my app.js")),
        ("uvicorn a:b --port ${PORT}", ("uvicorn", "a:b", "--port", "$PORT")),
        ("serve --bind 0.0.0.0:${PORT:-80}", ("serve", "--bind", "0.0.0.0:$PORT")),
        ("A=1 B='2 3' run", ("env", "A=1", "B=2 3", "run")),
        ('echo "a;b|c"', ("echo", "a;b|c")),
        ("run # not a comment", ("run", "#", "not", "a", "comment")),
    ],
)
def test_plain_commands_are_split_as_a_shell_would(text, argv):
    assert parse_command(text).argv == argv


@pytest.mark.parametrize(
    "text",
    ["a && b", "a; b", "a | b", "a > b", "a < b", "a &", "`a`", "$(a)", 'x "$(a)"', "x ${A%b}", "(a)", "a 'b", "", "  ",
     "A=1", "env A=1", "exec", "a\nb", "a\x1b[0m", "x" * 5000],
)  # fmt: skip
def test_what_needs_a_shell_is_refused_with_a_reason(text):
    command = parse_command(text)
    assert command.argv == () and command.refused


def test_sh_c_is_looked_into_and_not_trusted():
    assert from_words(["sh", "-c", "exec python a.py --port ${PORT:-80}"]).argv == ("python", "a.py", "--port", "$PORT")
    assert from_words(["bash", "-c", "a; b"]).refused


@pytest.mark.parametrize(
    ("words", "port"),
    [
        ("x --port 8000", 8000), ("x --port=8001", 8001), ("x -b 0.0.0.0:8002", 8002), ("x :8003", 8003),
        ("env PORT=8004 x", 8004), ("x --port $PORT", None), ("x --port 99999", None), ("python -m http.server", None),
        ("manage.py runserver 0.0.0.0:8005", 8005), ("x app:8006", None),
    ],
)  # fmt: skip
def test_a_port_in_the_command_is_seen(words, port):
    assert port_of(words.split()) == port

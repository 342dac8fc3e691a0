# SPDX-License-Identifier: Apache-2.0
"""Whatever stands in the files, analysis ends, quickly enough, with plain text, and runs nothing."""

from __future__ import annotations

import pytest

from homeport.analyze import analyze, explain_no_start
from homeport.analyze.quote import quote
from homeport.analyze.rules.python.module import read_module
from homeport.model.codec import to_json
from homeport.testing.fetchers import DictView

NAMES = (
    "homeport.yaml Procfile Dockerfile package.json pyproject.toml requirements.txt setup.cfg runtime.txt "
    ".python-version .nvmrc main.py server.js README.md .env.example compose.yaml environment.yml CMakeLists.txt "
    "Makefile setup.py job.slurm cog.yaml Project.toml Cargo.toml docs/install.md k8s/pod.yaml ds_config.json "
    "nb.ipynb gradle.properties check-requirements.sh .gitattributes hostfile go.mod "
    ".devcontainer/devcontainer.json "
).split()

BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join(['*' + before] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
POISON = {
    "alias bomb": BOMB,
    "deep json": "[" * 100_000 + "]" * 100_000,
    "deep objects": '{"a":' * 50_000,
    "deep yaml": "".join(" " * n + f"k{n}:\n" for n in range(300)),
    "deep flow yaml": "a: " + "[" * 30_000,
    "deep toml": "a = " + "[" * 50_000,
    "deep python": "x = " + "(" * 5_000 + ")" * 5_000,
    "unary python": "if __name__:\n  x = " + "-" * 200_000 + "1",
    "chained python": "__main__ = a" + ".b" * 100_000,
    "sum python": "__main__ = " + "+".join(["1"] * 60_000),
    "elif python": "if __main__:\n pass\n" + "elif x:\n pass\n" * 20_000,
    "long line": "PORT " + "A" * 10_000_000,
    "spaces": "start:" + " " * 200_000 + "x",
    "listen": ".listen({" * 20_000,
    "needs": "GPU requires " + "a " * 100_000,
    "equals": "api_key=" * 30_000,
    "nul": "web: a\0b\nstart: x\0y\nCMD a\0\n__main__ PORT\0",
    "not utf-8": b"\xff\xfe\xfdstart: \xff\nweb: \xff\n__main__",
    "terminal": "start: \x1b]0;owned\x07\x1b[2Jx\nweb: \x1b[31mpython\x1b[0m main.py\nCMD \x9b31m\n",
    "big numbers": '{"a": ' + "9" * 100_000 + "}",
    "tags": "start: !!python/object/apply:os.system ['touch owned']\nname: !!binary x\nport: !!int [1]\n",
    "merge": "<<: {start: x}\n? [a, b]\n: c\nport: 2026-01-01\nstart: !!set {a}\n",
    "continued": "RUN a \\\n" * 50_000,
    "stages": "".join(f"FROM s{n} AS s{n + 1}\nCMD x\n" for n in range(3000)),
    "links": "[a](" * 30_000 + "![x](" * 30_000,
    "tags of markup": "<a " * 50_000 + "`" * 50_000,
    "tables": "| 4 GB VRAM | " * 40_000 + "\n" + "|" * 100_000,
    "amounts": "GPU memory at least " + "9" * 300 + " GB of memory " + "1 GB " * 40_000,
    "versions": "CUDA >= " * 40_000 + "CUDA 99999999999999999999.1",
    "headings": "#" * 100_000 + "\n" + "# a\n" * 20_000 + "=" * 100_000,
    "no full stop": "you need a GPU and a CPU " * 40_000,
    "slurm": "#SBATCH --gres=gpu:99999999999 --mem=99999999999999T --time=99999-99:99:99\n" * 500,
    "cmake": "if(" * 1000 + "\nproject(" + "a " * 100_000 + "CUDA)\nenable_language(CUDA)\n",
    "here": "RUN <<EOF\n" + "CMD x\n" * 1000,
    "empty": "",
}


@pytest.mark.parametrize("kind", POISON)
def test_poison_in_every_file_ends_in_plain_conclusions(kind):
    found = analyze(DictView(dict.fromkeys(NAMES, POISON[kind])))
    told = to_json(found).decode()
    assert "\\u001b" not in told and "\x1b" not in told and "\\u0000" not in told
    assert len(told) < 60_000
    for inferred in (found.start, found.port, found.health_path):
        for evidence in inferred.evidence if inferred else ():
            assert evidence.quote.isprintable() and len(evidence.quote) <= 160


def test_a_tree_with_no_start_says_what_was_looked_for_and_both_ways_out():
    found = analyze(DictView({"Dockerfile": "FROM debian\nCMD a && b\n"}))
    assert found.start is None
    error = explain_no_start(found)
    for words in ("homeport.yaml", "Procfile", "package.json", "FastAPI", "Dockerfile:2", "needs a shell"):
        assert words in error.message
    assert "start:" in error.hint and "--start" in error.hint


@pytest.mark.parametrize(
    ("line", "kept", "hidden"),
    [
        ("API_KEY = 'abc12345'", "API_KEY", "abc12345"),
        ('password: "hunter2"', "password", "hunter2"),
        ("url = https://user:pa55word@host/x", "host/x", "pa55word"),
        ("x = 'ghp_0123456789abcdefghij'", "x =", "ghp_0123456789"),
        ("Authorization: Bearer abcdef123", "Authorization", "abcdef123"),
        ("k = 4eC39HqLyjWDarjtT1zdp7dcTYooMQauvdEDq54NiTphI7jx", "k =", "4eC39HqLyjWDarj"),
    ],
)
def test_quotes_do_not_show_secrets(line, kept, hidden):
    assert kept in quote(line) and hidden not in quote(line)


@pytest.mark.parametrize("line", ['key = os.environ["API_KEY"]', "token: $TOKEN", "password = settings.password"])
def test_quotes_show_where_a_secret_is_looked_up(line):
    assert quote(line) == line


def test_a_file_too_deep_to_parse_safely_is_told_apart():
    assert read_module("x = " + "(" * 90 + ")" * 90) is None
    assert read_module("def f(:") is None
    assert read_module("x = '\\d'  # an invalid escape is no error") is not None


@pytest.mark.parametrize("text", ["port: !!int", "port: !!float", "port: !!bool maybe", "port: !!timestamp 1"])
def test_a_value_that_its_own_tag_denies_is_a_warning(text):
    found = analyze(DictView({"homeport.yaml": text}))
    assert any("homeport.yaml" in one for one in found.warnings)

# SPDX-License-Identifier: Apache-2.0
"""Over any text: analysis ends without an error, paths that get in are safe, sizes and ports are within bounds."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from homeport.analyze import analyze
from homeport.analyze.command import parse_command
from homeport.analyze.quote import quote
from homeport.model.codec import from_json, to_json
from homeport.model.paths import Sieve
from homeport.model.requirements import Requirements
from homeport.testing.fetchers import DictView

FILES = ["homeport.yaml", "Procfile", "Dockerfile", "package.json", "pyproject.toml", "requirements.txt", "main.py",
         "server.js", "README.md", "app/main.py"]  # fmt: skip
SNIPPETS = ["start:", "web:", "CMD ", "FROM ", "port: ", "PORT", "= FastAPI()", "app", "\n", " ", "{", "}", "[", "]",
            '"', "'", "&&", "$PORT", "${PORT:-80}", "os.environ", "/health", "scripts", "if __name__ == '__main__':",
            ":", "8080", "&a", "*a", "!!int", "\\", "\t", "\x1b", "\x00", "é", "AS b"]  # fmt: skip
texts = st.lists(st.sampled_from(SNIPPETS) | st.text(max_size=5), max_size=30).map("".join)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from(FILES), texts, max_size=5))
def test_any_text_leads_to_plain_records(files):
    found = analyze(DictView(files))
    assert from_json(to_json(found), Requirements) == found
    assert found.port is None or 0 < found.port.value < 65536
    assert found.memory_bytes.value > 0
    if found.start:
        assert found.start.value and all(word.isprintable() for word in found.start.value)
        assert not any("`" in word or "$(" in word for word in found.start.value)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=20) | st.sampled_from([b"../x", b"/x", b"a/b", b"A/b", b".git/config"])))
def test_what_the_sieve_admits_stays_inside_and_is_unique(raws):
    sieve = Sieve()
    paths = [path for raw in raws if (path := sieve.admit(raw)) is not None]
    for path in paths:
        assert not path.startswith("/") and ".." not in path.split("/") and ".git" not in path.lower().split("/")
        assert path.isprintable()
    folded = {path.casefold() for path in paths}
    assert len(folded) == len(set(paths))


@given(st.text(max_size=200))
def test_quotes_are_short_and_printable(text):
    assert quote(text).isprintable() and len(quote(text)) <= 160
    assert all(word.isprintable() for word in parse_command(text).argv)

# SPDX-License-Identifier: Apache-2.0
"""`.dockerignore` as people write it."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeport.drivers.runtimes.docker.ignoring import ALL, SOME, _matcher, _tokens, parse


@pytest.mark.parametrize(
    ("text", "left_out", "sent"),
    [
        ("*.log", ["a.log"], ["deep/a.log", "a.logs"]),
        ("**/*.log", ["a.log", "deep/er/a.log"], ["a.txt"]),
        ("build", ["build", "build/x", "build/y/z"], ["rebuild", "deep/build"]),
        ("/build/", ["build/x"], ["deep/build/x"]),
        ("a/**/z", ["a/z", "a/b/c/z"], ["a/b", "z"]),
        ("*\n!keep.md", ["x", "deep/x"], ["keep.md"]),
        ("docs\n!docs/api\ndocs/api/secret", ["docs/a", "docs/api/secret"], ["docs/api/x"]),
        ("# no\n\n  tmp?  ", ["tmp1"], ["tmp", "tmp12", "no"]),
        ("[ab].txt\n[^c].md", ["a.txt", "x.md"], ["c.txt", "c.md"]),
        ("./x/../y", ["y"], ["x"]),
        ("\\*.c", ["*.c"], ["a.c"]),
        ("[z-a]\n[", [], ["z", "a"]),
        ("\ufeffa", ["a"], []),
        ("**", ["a", "b/c"], []),
        ("*a*b*c", ["xaxbxc", "abc"], ["acb", "a/b/c"]),
        ("**/a/**/b/**/c", ["a/b/c", "x/a/y/z/b/c", "x/a/b/y/c"], ["ab/c", "xa/b/c", "a/b/xc", "c"]),
        ("?[a-c]*-*-*.txt", ["xa1-2-3.txt", "xb--.txt"], ["xd1-2-3.txt", "xa1-2.txt", "xa/--.txt"]),
    ],
)
def test_the_last_pattern_that_matches_decides(text, left_out, sent):
    ignored = parse(text)
    assert [path for path in left_out if not ignored.holds(path)] == []
    assert [path for path in sent if ignored.holds(path)] == []


@given(st.text(max_size=200), st.lists(st.text("ab/.*!", min_size=1, max_size=10), max_size=5))
def test_nothing_that_a_repository_writes_there_is_an_error(text, paths):
    ignored = parse(text)
    for path in paths:
        ignored.holds(path)


def test_a_pattern_made_to_be_slow_is_not():
    ignored = parse("*a" * 14 + "b\n" + "**/" * 200 + "x\n" + "a" * 5000)
    assert not ignored.holds("a" * 60)


@given(st.text("ab*/?", min_size=1, max_size=8), st.text("ab/", min_size=1, max_size=8))
def test_patterns_with_many_wildcards_mean_what_those_with_few_do(pattern, path):
    tokens = _tokens(pattern)
    expected = re.fullmatch("".join(tokens), path) is not None
    many = _matcher([*tokens, SOME, ALL, SOME])
    assert _matcher(tokens)(path) == expected
    assert many(path) == (re.fullmatch("".join(tokens) + ".*", path) is not None)

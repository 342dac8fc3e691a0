# SPDX-License-Identifier: Apache-2.0
"""What keeps the analysis of large repositories quick: paths sorted once, each file read once, in one go."""

from __future__ import annotations

import pytest

from fetching import commit
from homeport.analyze import analyze
from homeport.analyze.paths import Paths, in_the_way, once
from homeport.analyze.repo import Repo
from homeport.analyze.rules.python.module import read_module
from homeport.analyze.ruleset import rulesets
from homeport.drivers.fetchers.git.fetcher import GitFetcher
from homeport.drivers.fetchers.git.options import Options
from homeport.testing.fetchers import DictView

FILES = ["Dockerfile", "README.md", "a/Main.PY", "a/b/c/d.py", "a/b/dockerfile.gpu", "docs/x.py", "z.py"]


def test_paths_are_found_by_ending_by_name_and_by_word_in_the_order_of_the_view():
    paths = Paths(FILES)
    assert paths.ending(".py") == ["a/Main.PY", "a/b/c/d.py", "docs/x.py", "z.py"]
    assert paths.ending(".py", ".md", depth=1) == ["README.md", "a/Main.PY", "docs/x.py", "z.py"]
    assert paths.ending("") == paths.named("dockerfile") == ["Dockerfile"]
    assert paths.named("main.py", "readme.md") == ["README.md", "a/Main.PY"]
    assert paths.holding("dockerfile") == ["Dockerfile", "a/b/dockerfile.gpu"]
    assert paths.within(0) == ["Dockerfile", "README.md", "z.py"]
    assert "z.py" in paths and "y.py" not in paths and list(paths) == FILES


def test_a_choice_among_paths_is_made_once_for_each_source():
    made = []

    @once
    def choose(paths):
        made.append(len(paths))
        return paths.ending(".py")

    first, second = Paths(FILES), Paths(["b.py"])
    choose(first).clear()
    assert choose(first) == choose(first) and len(choose(first)) == 4
    assert choose(second) == ["b.py"] and choose(["c.py", "c"]) == ["c.py"]
    assert made == [len(FILES), 1, 2]


@pytest.mark.parametrize(
    ("path", "aside"), [("tests/a.py", True), ("a/Docs/b/c.py", True), ("tests.py", False), ("src/app/main.py", False)]
)
def test_folders_of_tests_and_documents_are_told_apart(path, aside):
    assert in_the_way(path) is aside


class Counting(DictView):
    """Counts how often each file is read."""

    def __init__(self, files):
        super().__init__(files)
        self.asked: list[list[str]] = []

    def read_many(self, paths, limit=262_144):
        self.asked.append(list(paths))
        return super().read_many(paths, limit)


def test_each_file_is_read_once_whichever_rules_want_it():
    names = ["Dockerfile", "README.md", "main.py", "package.json", "requirements.txt", "server.js", "setup.py"]
    view = Counting({**dict.fromkeys(names, "x\n"), ".gitattributes": "*.bin filter=lfs\n", "a.bin": "y" * 130})
    analyze(view)
    asked = [path for paths in view.asked for path in paths]
    assert len(asked) == len(set(asked)) and set(names) <= set(asked)
    assert len([paths for paths in view.asked if paths]) <= 2  # pointers of large files are known only later


def test_no_ruleset_wants_anything_of_a_repository_of_things_it_does_not_know():
    paths = Paths(f"part{n % 9}/thing{n}.unknown" for n in range(500))
    assert not [path for one in rulesets() for path in one.wants(paths)]


def test_a_document_is_split_into_sentences_once():
    repo = Repo(DictView({"README.md": "# A\nOne. Two.\n"}))
    repo.load(["README.md"])
    assert repo.sentences("README.md") is repo.sentences("README.md")
    assert [one.text for one in repo.sentences("README.md")] == ["A", "One.", "Two."]


def test_lines_of_dashes_do_not_keep_a_python_file_from_being_parsed():
    module = read_module(f"# {'-' * 78}\n# {'- ' * 60}\nimport flask\n\nPORT = 8000  # {'~' * 60}\n")
    assert module is not None and module.imports == {"flask"} and module.ports[0][0] == 8000
    assert read_module("x = " + "-" * 300 + "1") is None
    assert read_module("x = " + "not " * 300 + "1") is None
    assert read_module("x = " + "lambda a: " * 300 + "1") is None


async def test_files_of_a_commit_are_read_in_one_go_whatever_their_sizes(tmp_path):
    work = tmp_path / "work"
    files = {f"f{n:03}.txt": b"%d\n" % n * n for n in range(300)}
    commit(work, {**files, "large.bin": b"z" * 70_000, "empty": b""})
    view = await GitFetcher(Options(cache=tmp_path / "cache")).fetch(str(work))
    try:
        limit = 65_536
        found = view.read_many([*reversed(files), "large.bin", "empty", "f001.txt"], limit)
        assert found == {**files, "large.bin": b"z" * limit, "empty": b""}
        assert view.read_many(["f299.txt"], 10) == {"f299.txt": files["f299.txt"][:10]}
        assert view.read_many([]) == {}
    finally:
        view.close()

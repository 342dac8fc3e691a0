# SPDX-License-Identifier: Apache-2.0
"""Bare, shallow mirrors of remote repositories: one folder per address and commit, there whole or not at all."""

from __future__ import annotations

import hashlib
from pathlib import Path

from homeport.drivers.fetchers import scratch
from homeport.drivers.fetchers.git.command import BLOB_LIMIT
from homeport.drivers.fetchers.git.session import Session
from homeport.drivers.fetchers.git.trouble import explain, moved, no_ref
from homeport.errors import InvalidSource, StalePlan
from homeport.model.locator import is_commit

_FILTER = f"--filter=blob:limit={BLOB_LIMIT // 1024}k"


async def mirror(session: Session, ref: str) -> tuple[Path, str]:
    """The mirror that holds what `ref` ("" for the default branch) means now, and its commit.

    What is here already is not fetched again. Two at once are safe: the later one finds the earlier one's.
    """
    home = _home(session)
    known = ref if is_commit(ref) else await _newest(session, ref) if home.is_dir() else ""
    if known and (home / known).is_dir():
        return home / known, known
    with scratch(home, "fetch") as aside:
        folder = aside / "repository"
        if is_commit(ref):
            await _fetch_commit(session, folder, ref, aside)
        else:
            await _clone(session, folder, ref, aside)
        commit = await head(session, str(folder), "FETCH_HEAD" if is_commit(ref) else "HEAD")
        if not (home / commit).is_dir():
            try:
                folder.rename(home / commit)
            except OSError:
                if not (home / commit).is_dir():
                    raise
    return home / commit, commit


async def head(session: Session, git_dir: str, ref: str) -> str:
    """The commit a ref means. Raises `InvalidSource` for an unknown ref or an empty repository."""
    done = await session.call(f"--git-dir={git_dir}", "rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}")
    commit = done.output.decode("ascii", "replace").strip()
    if done.status != 0 or not is_commit(commit):
        raise no_ref(session.address, "" if ref in ("HEAD", "FETCH_HEAD") else ref)
    return commit


async def complete(session: Session, git_dir: Path, missing: list[str]) -> None:
    """Fetch the blobs that were too large for a look, all in one go. Raises `StalePlan` if they cannot be had."""
    words = ("fetch", "origin", "--no-tags", "--no-write-fetch-head", "--recurse-submodules=no", "--filter=blob:none")
    done = await session.call(
        f"--git-dir={git_dir}",
        "-c",
        "fetch.negotiationAlgorithm=noop",
        *words,
        "--stdin",
        online=True,
        stdin="".join(f"{oid}\n" for oid in missing).encode(),
        watch=git_dir,
    )
    if done.status != 0:
        error = explain(done.errors, session.address, "")
        if not isinstance(error, InvalidSource):
            raise error
        raise StalePlan(error.message, operation="export", subject=session.address, hint="make a new plan from it")


async def _newest(session: Session, ref: str) -> str:
    names = [f"refs/heads/{ref}", f"refs/tags/{ref}^{{}}", f"refs/tags/{ref}"] if ref else ["HEAD"]
    done = await session.call("ls-remote", "--", session.address, *names, online=True)
    if done.status != 0:  # the clone that follows says why
        return ""
    lines = [line.partition("\t") for line in done.output.decode("utf-8", "replace").splitlines()]
    found = {name: commit for commit, _, name in lines}
    commit = next((found[name] for name in names if name in found), "")
    return commit if is_commit(commit) else ""


async def _clone(session: Session, folder: Path, ref: str, aside: Path) -> None:
    words = ["clone", "--bare", "--depth", "1", "--single-branch", "--no-tags", _FILTER, "--template=", "--quiet"]
    words += [f"--branch={ref}"] if ref else []
    done = await session.call(*words, "--", session.address, str(folder), online=True, watch=aside)
    if done.status != 0 and moved(done.errors) and not session.address.endswith(".git"):
        done = await session.call(*words, "--", f"{session.address}.git", str(folder), online=True, watch=aside)
    if done.status != 0:
        raise explain(done.errors, session.address, ref)


async def _fetch_commit(session: Session, folder: Path, commit: str, aside: Path) -> None:
    await session.must("init", "--bare", "--quiet", "--template=", str(folder))
    git_dir = f"--git-dir={folder}"
    await session.must(git_dir, "config", "remote.origin.url", session.address)
    words = ("fetch", "--depth=1", "--no-tags", _FILTER, "--recurse-submodules=no", "--quiet", "origin", commit)
    await session.must(git_dir, *words, online=True, watch=aside)


def _home(session: Session) -> Path:
    return session.options.cache / "git" / hashlib.sha256(session.address.encode()).hexdigest()[:20]

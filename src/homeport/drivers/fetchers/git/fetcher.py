# SPDX-License-Identifier: Apache-2.0
"""Fetcher for Git: a mirror of what is remote, the objects themselves of what is local."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from dataclasses import replace
from pathlib import Path

from homeport.drivers.fetchers import appear, here, pointers_told, scratch, write_file
from homeport.drivers.fetchers.git.command import environment
from homeport.drivers.fetchers.git.lfs import pointers_in
from homeport.drivers.fetchers.git.local import check_own, git_dir_of
from homeport.drivers.fetchers.git.mirror import complete, head, mirror
from homeport.drivers.fetchers.git.objects import Objects
from homeport.drivers.fetchers.git.options import Options
from homeport.drivers.fetchers.git.session import Session
from homeport.drivers.fetchers.git.tree import MISSING, Tree, read_sizes, read_tree
from homeport.drivers.fetchers.git.view import GitView
from homeport.errors import HomeportError, Interrupted, InvalidSource, StalePlan
from homeport.interfaces.fetcher import FileView, Progress
from homeport.model.locator import Locator, check_ref, recognise
from homeport.model.source import Source, SourceKind


class GitFetcher:
    def __init__(self, options: Options) -> None:
        self._options = options

    def handles(self, locator: str) -> bool:
        try:
            place = recognise(locator, schemes=self._options.schemes)
            local = self._options.allow_local and place.kind is None
            return place.remote or (local and git_dir_of(here(place.address)) is not None)
        except HomeportError:
            return False

    async def fetch(self, locator: str, *, ref: str = "", progress: Progress | None = None) -> FileView:
        place = recognise(locator, schemes=self._options.schemes)
        place = replace(place, ref=check_ref(ref) or place.ref)
        if not place.remote:
            place = replace(place, address=str(here(place.address).resolve()))
        session = Session(self._options, place.address, place.ref)
        if progress:
            progress(f"reading {place.address}{f' at {place.ref}' if place.ref else ''}")
        git_dir, commit = await self._locate(session, place)
        tree = await self._tree(session, git_dir, commit, place)
        notes: tuple[str, ...] = ()
        if not place.remote:
            notes = (f"changes that are not committed: commit {commit[:12]} counts",)
        source = Source(SourceKind.GIT, place.address, tree.digest, commit, place.ref, place.subdir)
        objects = self._objects(git_dir)
        try:
            pointers = await asyncio.to_thread(pointers_in, tree, objects)
        except BaseException:
            objects.close()
            raise
        return GitView(source, tree, objects, (*notes, *pointers_told(pointers), *tree.skipped))

    async def export(self, source: Source, destination: Path, *, progress: Progress | None = None) -> None:
        remote = "://" in source.locator
        place = Locator(remote, source.locator, ref=source.commit, subdir=source.subdir)
        session = Session(self._options, source.locator, source.commit)
        if progress:
            progress(f"writing the files of {source.locator} at {source.commit[:12]}")
        try:
            git_dir, commit = await self._locate(session, place)
        except InvalidSource:
            git_dir, commit = await self._still_there(session, source, remote)
        tree = await self._tree(session, git_dir, commit, place)
        if tree.digest != source.digest:
            raise _moved(source)
        missing = [blob.oid for blob in tree.blobs if blob.size == MISSING]
        if missing and remote:
            await complete(session, Path(git_dir), sorted(set(missing)))
        await self._write(session, git_dir, tree, destination)

    async def _locate(self, session: Session, place: Locator) -> tuple[str, str]:
        if place.remote:
            folder, commit = await mirror(session, place.ref)
            return str(folder), commit
        if not self._options.allow_local:
            raise InvalidSource(
                "repositories of this machine are not read here", operation="fetch", hint="give an https address"
            )
        git_dir = git_dir_of(Path(place.address))
        if git_dir is not None:
            check_own(Path(place.address), Path(git_dir))
        if git_dir is None:
            raise InvalidSource(
                f"{place.address} is not a Git repository",
                operation="fetch",
                subject=place.address,
                hint="give a folder that holds .git, or an https address",
            )
        return git_dir, await head(session, git_dir, place.ref or "HEAD")

    async def _still_there(self, session: Session, source: Source, remote: bool) -> tuple[str, str]:
        """A server may refuse to be asked for a commit by id; then its branch may still stand there."""
        if remote:
            git_dir, commit = await mirror(session, source.ref)
            if commit == source.commit:
                return str(git_dir), commit
        raise _moved(source)

    async def _tree(self, session: Session, git_dir: str, commit: str, place: Locator) -> Tree:
        where = f"--git-dir={git_dir}"
        most = self._options.max_files * 2 + 1000  # a tree of a few objects can have more entries than there are atoms
        if place.remote:  # sizes of what is here: asking ls-tree would fetch what is not
            listing = await session.must(where, "ls-tree", "-r", "-z", "--full-tree", commit, max_records=most)
            sizes = read_sizes(
                await session.must(where, "cat-file", "--batch-check", "--batch-all-objects", "--unordered")
            )
            return read_tree(listing, sizes, subdir=place.subdir, max_files=self._options.max_files)
        done = await session.call(where, "ls-tree", "-r", "-z", "-l", "--full-tree", commit, max_records=most)
        tree = read_tree(done.output, None, subdir=place.subdir, max_files=self._options.max_files)
        if done.status != 0 or any(blob.size == MISSING for blob in tree.blobs):
            raise InvalidSource(
                f"not all files of {place.address} are in it: it is a partial clone, or damaged",
                operation="fetch",
                subject=place.address,
                hint="give the address it was cloned from",
            )
        return tree

    def _objects(self, git_dir: str) -> Objects:
        return Objects(git_dir, environment(self._options))

    async def _write(self, session: Session, git_dir: str, tree: Tree, destination: Path) -> None:
        stopped, deadline = threading.Event(), time.monotonic() + session.seconds_left()
        max_bytes = self._options.max_bytes

        def work() -> None:
            total = 0
            with scratch(destination.parent, destination.name) as aside, self._objects(git_dir) as objects:
                for blob in tree.blobs:
                    descriptor = write_file(aside, blob.path, executable=blob.executable)
                    try:
                        total += objects.write(blob.oid, descriptor, max_bytes - total)
                    finally:
                        os.close(descriptor)
                    if stopped.is_set():
                        raise Interrupted("stopped", operation="export")
                    if time.monotonic() > deadline:
                        raise InvalidSource("writing it took too long", operation="export", subject=session.address)
                appear(aside, destination)

        running = asyncio.create_task(asyncio.to_thread(work))
        try:
            await asyncio.shield(running)
        except asyncio.CancelledError:
            stopped.set()
            await asyncio.gather(running, return_exceptions=True)
            raise


def _moved(source: Source) -> StalePlan:
    return StalePlan(
        f"commit {source.commit[:12]} of {source.locator} cannot be had any more",
        operation="export",
        subject=source.locator,
        hint="make a new plan from it",
    )

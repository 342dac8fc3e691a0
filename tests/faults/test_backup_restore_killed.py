# SPDX-License-Identifier: Apache-2.0
"""A restore that is killed, interrupted or short of room leaves the old home or the new one, and the next one works."""

from __future__ import annotations

import asyncio
import gzip
import os
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from backup_homes import fingerprint, furnished, kept, make
from homeport.app.backups.restoring import restore
from homeport.app.backups.switching import alone, unfinished
from homeport.app.backups.taking import BackupWish
from homeport.errors import Conflict, HomeportError, StorageFull
from homeport.serve.keeper.listeners import lock
from homeport.settings import Paths, find_paths

VICTIM = Path(__file__).with_name("backup_victim.py")


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`backup` to restore, and `template`: the home that is to be replaced."""
    folder = tmp_path_factory.mktemp("homes")
    make(folder / "from", folder / "backup", BackupWish(passphrase="open"))
    make(folder / "template", folder / "unused")
    (folder / "template/state/agents/agt_one/data/ledger").write_text("the old home\n")
    (folder / "template/config/config.toml").write_text("# old\n")
    return folder


def victim(homes: Path, home: Path, last: int) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, str(VICTIM), str(homes / "backup"), str(home), str(last)]
    path = os.pathsep.join([*sys.path])
    return subprocess.run(argv, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": path})


def whole(homes: Path, paths: Paths) -> None:
    """It is the home of the backup, entirely, and nothing of the old one or of the work is left."""
    state = paths.state
    for name in ("one", "two", "three", "again"):
        assert (state / f"agents/agt_{name}/data/ledger").read_text() == f"of {name}\n"
    assert (paths.config / "config.toml").read_text() == 'log_level = "debug"\n'
    assert (paths.config / "secrets.key").read_bytes() == (homes / "from/config/secrets.key").read_bytes()
    assert not (state / ".restore").exists() and not (paths.config / ".restore").exists()

    async def look() -> None:
        async with kept(paths.state.parent) as home:
            assert await home.secrets.get("default", "API_KEY") == "sesame"
            assert await home.audit.verify() == 2
            assert len(await home.journal.list("default")) == 4

    asyncio.run(look())


def test_killed_at_any_step_it_leaves_the_old_home_or_is_finished_by_the_next(homes: Path, tmp_path: Path) -> None:
    shutil.copytree(homes / "template", tmp_path / "whole", symlinks=True)
    steps = int(victim(homes, tmp_path / "whole", 0).stdout)
    assert steps > 20
    old = fingerprint(homes / "template")
    outcomes = set()
    for last in (*range(1, steps, 7), steps):
        home = tmp_path / f"home-{last}"
        shutil.copytree(homes / "template", home, symlinks=True)
        paths = find_paths({"HOMEPORT_HOME": str(home)})
        assert victim(homes, home, last).returncode == 9
        if unfinished(paths):
            outcomes.add("half-way")
            with pytest.raises(Conflict, match="a restore was interrupted"):
                lock(paths.state)  # no server starts on it
        elif fingerprint(home) == old:
            outcomes.add("old")
        else:
            outcomes.add("new")
        told = restore(homes / "backup", paths, passphrase="open", replace=True, said=lambda _: None)
        assert told.agents == 4
        whole(homes, paths)
        shutil.rmtree(home)
    assert outcomes == {"old", "half-way", "new"}


def test_without_its_file_a_restore_that_was_killed_half_way_is_finished_all_the_same(
    homes: Path, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    shutil.copytree(homes / "template", home, symlinks=True)
    paths = find_paths({"HOMEPORT_HOME": str(home)})
    last = 1
    while not unfinished(paths):
        last += 4
        assert victim(homes, home, last).returncode == 9
    with pytest.raises(HomeportError, match="cannot read"):
        restore(tmp_path / "lost", paths, said=lambda _: None)
    whole(homes, paths)


def test_ctrl_c_while_it_unpacks_leaves_what_was_there(
    homes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    shutil.copytree(homes / "template", home, symlinks=True)
    old = fingerprint(home)

    def said(line: str) -> None:
        if line.startswith("unpacking"):
            os.kill(os.getpid(), signal.SIGINT)

    paths = find_paths({"HOMEPORT_HOME": str(home)})
    with pytest.raises(KeyboardInterrupt):
        restore(homes / "backup", paths, passphrase="open", replace=True, said=said)
    assert fingerprint(home) == old and not (paths.state / ".restore").exists()


def test_without_room_for_a_file_nothing_is_restored(homes: Path, tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(StorageFull, match="nothing was restored"):
            restore(
                homes / "backup", find_paths({"HOMEPORT_HOME": str(tmp_path)}), passphrase="open", said=lambda _: None
            )
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    assert fingerprint(tmp_path) == {"config": "", "state": ""}


def test_a_small_disk_is_refused_before_anything_is_unpacked(homes: Path, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(small)], capture_output=True, text=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("this machine does not let us mount a tmpfs")
    try:
        with pytest.raises(StorageFull, match="are free"):
            restore(homes / "backup", find_paths({"HOMEPORT_HOME": str(small)}), passphrase="open", said=lambda _: None)
        assert fingerprint(small) == {"state": ""}
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_a_damaged_backup_leaves_what_was_there(homes: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    shutil.copytree(homes / "template", home, symlinks=True)
    old = fingerprint(home)
    raw = (homes / "backup").read_bytes()
    unpacked = gzip.decompress(raw)
    changed = gzip.compress(unpacked.replace(b"of two\n", b"of tow\n"))
    paths = find_paths({"HOMEPORT_HOME": str(home)})
    for content in (raw[: len(raw) // 2], changed, b""):
        (tmp_path / "bad").write_bytes(content)
        with pytest.raises(HomeportError):
            restore(tmp_path / "bad", paths, passphrase="open", replace=True, said=lambda _: None)
        assert fingerprint(home) == old


def test_while_a_server_or_another_restore_has_the_home_nothing_is_begun(homes: Path, tmp_path: Path) -> None:
    paths = find_paths({"HOMEPORT_HOME": str(tmp_path)})
    with alone(paths), pytest.raises(Conflict, match="a server, or another restore"):
        restore(homes / "backup", paths, passphrase="open", said=lambda _: None)


async def test_a_second_backup_at_once_is_refused_and_one_that_is_given_up_leaves_nothing(tmp_path: Path) -> None:
    async with kept(tmp_path / "home") as home:
        await furnished(home)
        backups = home.backups()
        first = backups.stream(BackupWish())
        await anext(first)
        with pytest.raises(Conflict, match="another backup"):
            await anext(backups.stream(BackupWish()))
        assert list(home.paths.state.glob("backup-*"))
        await first.aclose()
        assert not list(home.paths.state.glob("backup-*"))
        await home.write(tmp_path / "b")


async def test_what_a_server_that_was_killed_left_of_a_backup_goes_with_the_next(tmp_path: Path) -> None:
    async with kept(tmp_path / "home") as home:
        await furnished(home)
        left = home.paths.state / "backup-bak_1"
        (left / "agents").mkdir(parents=True)
        (left / "state.db").write_bytes(b"x")
        await home.write(tmp_path / "b")
        assert not left.exists()


async def test_a_backup_without_room_says_so_at_its_end_and_leaves_nothing(tmp_path: Path) -> None:
    async with kept(tmp_path / "home") as home:
        await furnished(home)
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
        pieces = []
        try:
            async for piece in home.backups().stream(BackupWish()):
                pieces.append(piece)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            signal.signal(signal.SIGXFSZ, handler)
        (tmp_path / "b").write_bytes(b"".join(pieces))
        with pytest.raises(StorageFull):
            restore(tmp_path / "b", find_paths({"HOMEPORT_HOME": str(tmp_path / "n")}), said=lambda _: None)
        assert not list(home.paths.state.glob("backup-*"))

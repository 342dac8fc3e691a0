# SPDX-License-Identifier: Apache-2.0
"""Archives that are made to break who reads them: told as such, in bounded memory, with nothing written elsewhere."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import io
import os
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from backup_homes import agent, fingerprint, furnished, kept
from homeport.app.backups import contents, writing
from homeport.app.backups.adapting import revived
from homeport.app.backups.contents import FORMAT, HEADER, MANIFEST, Header, Keys, Kind, Manifest, Member
from homeport.app.backups.reading import Archive
from homeport.app.backups.restoring import _unpack, inspect, restore
from homeport.app.backups.writing import ArchiveWriter
from homeport.app.folders import AgentFolders
from homeport.errors import HomeportError, UsageError
from homeport.model.codec import to_json
from homeport.settings import find_paths

FILE = "state/agents/agt_1/data/x"
BEGIN = to_json(Header(FORMAT, "0.1.0", 1, "node"))


def entry(name: str, data: bytes = b"", kind: bytes = tarfile.REGTYPE, **headers: str) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.size, info.pax_headers = kind, len(data), headers
    return info, data


def archive(path: Path, **headers: str) -> Path:
    """A whole one, whose one file has these words in its header."""
    folders = [entry(str(parent), kind=tarfile.DIRTYPE) for parent in reversed(Path(FILE).parents[:-1])]
    parts = [entry(HEADER, BEGIN), *folders, entry(FILE, b"x", **headers)]
    told = tuple(
        Member(info.name, Kind.FILE if data else Kind.FOLDER, len(data), hashlib.sha256(data).hexdigest() * bool(data))
        for info, data in parts
    )
    end = Manifest(FORMAT, "0", "n", "/old", 1, 2, Keys.NONE, {}, {}, 0, ("agt_1",), ("agt_1",), members=told)
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for info, data in (*parts, entry(MANIFEST, to_json(end))):
            tar.addfile(info, io.BytesIO(data))
    path.write_bytes(gzip.compress(raw.getvalue()))
    return path


@pytest.mark.parametrize(
    "headers", [{"uid": str(1 << 40)}, {"gid": "-5"}, {"size": "-4"}, {"size": "9" * 30}], ids=lambda h: str(h)[:20]
)
def test_a_header_that_makes_no_sense_is_refused(tmp_path: Path, headers: dict[str, str]) -> None:
    with pytest.raises(HomeportError):
        inspect(archive(tmp_path / "b", **headers))


@pytest.mark.parametrize("time", ["1e300", "nan", "inf", "-9e15"])
def test_any_time_that_an_agent_gave_its_file_is_no_hindrance(tmp_path: Path, time: str) -> None:
    for side in ("state", "config"):
        (tmp_path / side).mkdir()
    with Archive(archive(tmp_path / "b", mtime=time)) as found:
        _unpack(found, found.verify(), {side: tmp_path / side for side in ("state", "config")})
    assert (tmp_path / FILE).read_bytes() == b"x"


def test_headers_of_headers_of_headers_are_refused(tmp_path: Path) -> None:
    info = tarfile.TarInfo("pax")
    info.type, info.size = tarfile.XHDTYPE, 10
    raw = (
        entry(HEADER, BEGIN)[0].tobuf()
        + BEGIN.ljust(512, b"\0")
        + (info.tobuf() + b"10 a=bcde\n".ljust(512, b"\0")) * 5000
    )
    (tmp_path / "b").write_bytes(gzip.compress(raw))
    with pytest.raises(HomeportError, match="damaged"):
        inspect(tmp_path / "b")


def test_more_files_than_any_backup_has_are_refused_while_they_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contents, "MOST_LISTED", 20_000)
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        parts = [entry(HEADER, BEGIN), entry("state", kind=tarfile.DIRTYPE), entry("state/spool", kind=tarfile.DIRTYPE)]
        for info, data in (*parts, *(entry(f"state/spool/{n}") for n in range(1000))):
            tar.addfile(info, io.BytesIO(data))
    (tmp_path / "b").write_bytes(gzip.compress(raw.getvalue()))
    with pytest.raises(HomeportError, match="more files than a backup has"):
        inspect(tmp_path / "b")


def test_a_backup_of_more_files_than_one_can_have_says_so_at_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "MOST_MEMBERS", 3)
    writer = ArchiveWriter()
    with (tmp_path / "b").open("wb") as out:
        out.writelines(writer.begin(Header(FORMAT, "0.1.0", 1, "node")))
        try:
            for path in ("state", "state/agents", "state/agents/agt_1", "state/spool"):
                out.writelines(writer.folder(path))
        except HomeportError as error:
            out.writelines(writer.fail(error))
    with pytest.raises(HomeportError, match="too many files"):
        inspect(tmp_path / "b")


def test_a_pipe_is_refused_before_it_is_read() -> None:
    reading, into = os.pipe()
    try:
        with pytest.raises(UsageError, match="is a pipe"):
            inspect(Path(f"/dev/fd/{reading}"))
    finally:
        os.close(reading)
        os.close(into)


@pytest.mark.parametrize("id", ["../../../outside", "agt_/../..", "/outside", ".", "agt_1\n"])
def test_an_agent_whose_folder_would_be_elsewhere_is_refused(id: str) -> None:
    with pytest.raises(HomeportError, match="is no agent's id"):
        revived(replace(agent("one"), id=id), "/old/agents")


def test_a_home_with_such_an_agent_is_not_restored(tmp_path: Path) -> None:
    async def make() -> None:
        async with kept(tmp_path / "home") as home:
            await furnished(home)
            await home.store.put(replace(agent("six"), id="../../../outside"), namespace="default", key="six")
            await home.write(tmp_path / "b")

    asyncio.run(make())
    with pytest.raises(HomeportError, match="is no agent's id"):
        restore(tmp_path / "b", find_paths({"HOMEPORT_HOME": str(tmp_path / "new")}), said=lambda _: None)
    assert set(fingerprint(tmp_path / "new")) <= {"state", "config"}


async def test_no_record_leads_out_of_the_folder_of_all_agents(tmp_path: Path) -> None:
    paths = find_paths({"HOMEPORT_HOME": str(tmp_path / "home")})
    paths.agents.mkdir(parents=True)
    (tmp_path / "mine").mkdir()
    folders = AgentFolders(paths, {})
    for id in ("../../../mine", "..", "", "/etc", "agt_1/../../x"):
        with pytest.raises(HomeportError, match="no place of an agent"):
            folders.open(id)
        with pytest.raises(HomeportError, match="no place of an agent"):
            await folders.remove(id)
    assert (tmp_path / "mine").exists() and paths.agents.exists()

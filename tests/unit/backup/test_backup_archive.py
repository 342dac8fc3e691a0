# SPDX-License-Identifier: Apache-2.0
"""An archive holds what was put into it, and one that does not is refused before anything is done with it."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import subprocess
import tarfile
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from homeport.app.backups.contents import FORMAT, HEADER, MANIFEST, Header, Keys, Kind, Manifest, Member, unwritten
from homeport.app.backups.reading import Archive
from homeport.app.backups.restoring import inspect
from homeport.app.backups.writing import ArchiveWriter
from homeport.errors import Conflict, HomeportError, UsageError
from homeport.model.codec import to_json

AGENT = "state/agents/agt_1"


def manifest(members: Iterable[Member]) -> Manifest:
    return Manifest(
        FORMAT, "0.1.0", "node", "/old/state", 1, 2, Keys.NONE, {}, {}, 0, ("agt_1",), ("agt_1",),
        members=tuple(members),
    )  # fmt: skip


def header(version: int = FORMAT) -> bytes:
    return to_json(Header(version, "9.9.9", 1, "node"))


def made(path: Path, fill: Callable[[ArchiveWriter], Iterable[bytes]]) -> ArchiveWriter:
    writer = ArchiveWriter()
    with path.open("wb") as out:
        for part in (writer.begin(Header(FORMAT, "0.1.0", 1, "node")), fill(writer)):
            out.writelines(part)
        out.writelines(writer.end(manifest(writer.members)))
    return writer


def in_agents_folder(writer: ArchiveWriter, data: Path) -> Iterable[bytes]:
    for folder in ("state", "state/agents", AGENT):
        yield from writer.folder(folder)
    yield from writer.tree(data, f"{AGENT}/data")


# ── what goes in comes out ───────────────────────────────────────────────────────────────────────────────────────
def test_names_of_any_bytes_links_empty_folders_and_long_paths_come_out_as_they_went_in(tmp_path: Path) -> None:
    data = tmp_path / "data"
    deep = data / "/".join(["x" * 100] * 10)
    deep.mkdir(parents=True)
    (deep / "file").write_bytes(b"deep")
    (data / "empty").mkdir()
    Path(os.fsdecode(os.fsencode(data) + b"/\xff\xfe %41\n")).write_bytes(b"odd")
    (data / "large").write_bytes(os.urandom(600_000))
    (data / "away").symlink_to("/etc/passwd")
    os.mkfifo(data / "pipe")
    made(tmp_path / "b", lambda writer: in_agents_folder(writer, data))
    found, _, _ = inspect(tmp_path / "b")
    kinds = {unwritten(member.path).removeprefix(f"{AGENT}/data/"): member for member in found.members}
    assert kinds["large"].sha256 == hashlib.sha256((data / "large").read_bytes()).hexdigest()
    assert kinds[os.fsdecode(b"\xff\xfe %41\n")].bytes == 3
    assert (kinds["empty"].kind, kinds["away"].kind) == (Kind.FOLDER, Kind.LINK)
    assert kinds["/".join(["x" * 100] * 10) + "/file"].bytes == 4
    assert "pipe" not in kinds, "a pipe means nothing elsewhere"
    with Archive(tmp_path / "b") as archive:
        links = [entry.info.linkname for entry in archive.entries() if entry.kind is Kind.LINK]
    assert links == ["/etc/passwd"], "kept as text; nobody followed it"


def test_any_tar_unpacks_it_as_a_home(tmp_path: Path) -> None:
    def fill(writer: ArchiveWriter) -> Iterable[bytes]:
        yield from writer.folder("state")
        yield from writer.content("state/state.db", b"records")

    made(tmp_path / "b", fill)
    (tmp_path / "home").mkdir()
    subprocess.run(["tar", "xzf", str(tmp_path / "b"), "-C", str(tmp_path / "home")], check=True)
    assert (tmp_path / "home/state/state.db").read_bytes() == b"records"


def test_what_cannot_be_taken_is_said(tmp_path: Path) -> None:
    deep = data = tmp_path / "data"
    for _ in range(105):
        deep = deep / "d"
    deep.mkdir(parents=True)
    writer = made(tmp_path / "b", lambda writer: in_agents_folder(writer, data))
    assert writer.left_out.lines() == ("1 folders more than 100 deep",)
    assert inspect(tmp_path / "b")[0].agents == ("agt_1",)


def test_a_file_that_shrinks_while_it_is_read_does_not_break_the_archive(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "log").write_bytes(os.urandom(3_000_000))

    def fill(writer: ArchiveWriter) -> Iterable[bytes]:
        for number, piece in enumerate(in_agents_folder(writer, data)):
            if number == 1:
                os.truncate(data / "log", 10)
            yield piece

    made(tmp_path / "b", fill)
    found, _, _ = inspect(tmp_path / "b")
    assert found.members[-1].bytes == 3_000_000


def test_a_folder_that_becomes_a_link_while_it_is_read_is_not_followed(tmp_path: Path) -> None:
    data = tmp_path / "data"
    (data / "b").mkdir(parents=True)
    (data / "a").write_bytes(os.urandom(1_000_000))
    (data / "b" / "inner").write_text("mine")

    def fill(writer: ArchiveWriter) -> Iterable[bytes]:
        for number, piece in enumerate(in_agents_folder(writer, data)):
            if number == 0:
                (data / "b").rename(data / "c")
                (data / "b").symlink_to("/etc")
            yield piece

    made(tmp_path / "b.tgz", fill)
    found, _, _ = inspect(tmp_path / "b.tgz")
    assert not [m for m in found.members if m.path.startswith(f"{AGENT}/data/b/")]


def test_an_archive_says_itself_why_it_is_not_whole(tmp_path: Path) -> None:
    writer = ArchiveWriter()
    with (tmp_path / "b").open("wb") as out:
        out.writelines(writer.begin(Header(FORMAT, "0.1.0", 1, "node")))
        out.writelines(writer.fail(Conflict("the gateway was away", hint="try again")))
    with pytest.raises(Conflict, match="the gateway was away") as told:
        inspect(tmp_path / "b")
    assert told.value.hint == "try again"


# ── what is refused ──────────────────────────────────────────────────────────────────────────────────────────────
def member(
    name: str, kind: bytes = tarfile.REGTYPE, data: bytes = b"", **fields: object
) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, len(data)
    for field, value in fields.items():
        setattr(info, field, value)
    return info, data


def hostile(path: Path, *extra: tuple[tarfile.TarInfo, bytes], truthful: bool = True, end: bytes = b"") -> None:
    """A whole archive with these members in it, its manifest truthful about them."""
    folders = [member(name, tarfile.DIRTYPE) for name in ("state", "state/agents", AGENT, f"{AGENT}/data")]
    parts = [member(HEADER, data=header()), *folders, *extra]
    kinds = {tarfile.DIRTYPE: Kind.FOLDER, tarfile.SYMTYPE: Kind.LINK}
    told = [
        Member(info.name, kinds.get(info.type, Kind.FILE), len(data), hashlib.sha256(data).hexdigest() if data else "")
        for info, data in parts
    ]
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for info, data in [*parts, member(MANIFEST, data=to_json(manifest(told if truthful else told[:-1])))]:
            tar.addfile(info, io.BytesIO(data))
    path.write_bytes(gzip.compress(raw.getvalue()) + end)


@pytest.mark.parametrize(
    ("extra", "why"),
    [
        (member("/etc/passwd", data=b"x"), "leads elsewhere"),
        (member("state/../../x", data=b"x"), "leads elsewhere"),
        (member("state/agents/agt_1/data/../../../x", data=b"x"), "leads elsewhere"),
        (member("state/agents/agt_1/data/.", data=b"x"), "leads elsewhere"),
        (member("elsewhere", data=b"x"), "no backup has such a file"),
        (member("state/serve.lock", data=b"x"), "no backup has such a file"),
        (member("state/.restore", tarfile.DIRTYPE), "no backup has such a folder"),
        (member("state/state.db", tarfile.SYMTYPE, linkname="/etc/passwd"), "no backup has such a link"),
        (member(f"{AGENT}/code-1", tarfile.SYMTYPE, linkname="/etc"), "no backup has such a link"),
        (member("state/agents/agt_2", tarfile.SYMTYPE, linkname="/etc"), "no backup has such a link"),
        (member("state/agents/..", tarfile.DIRTYPE), "leads elsewhere"),
        (member("state/agents/agt_2/data/x", data=b"x"), "folder is not in the archive"),
        (member(f"{AGENT}/data/x", tarfile.LNKTYPE, linkname="state/state.db"), "neither file nor folder"),
        (member(f"{AGENT}/data/x", tarfile.CHRTYPE, devmajor=1, devminor=3), "neither file nor folder"),
        (member(f"{AGENT}/data/x", tarfile.FIFOTYPE), "neither file nor folder"),
        (member(f"{AGENT}/data/x", tarfile.CONTTYPE, data=b"x"), "neither file nor folder"),
        (member(HEADER, data=header()), "twice"),
        (member(f"{AGENT}/data", tarfile.DIRTYPE), "twice"),
        (member(f"{AGENT}/data/" + "x/" * 1100 + "x", data=b"x"), "leads elsewhere"),
    ],
)  # fmt: skip
def test_a_member_that_no_backup_has_is_refused(tmp_path: Path, extra: tuple[tarfile.TarInfo, bytes], why: str) -> None:
    hostile(tmp_path / "b", extra)
    with pytest.raises(HomeportError, match=why):
        inspect(tmp_path / "b")


def test_nothing_lies_below_a_link(tmp_path: Path) -> None:
    link = member(f"{AGENT}/data/x", tarfile.SYMTYPE, linkname="/etc")
    hostile(tmp_path / "b", link, member(f"{AGENT}/data/x/passwd", data=b"x"))
    with pytest.raises(HomeportError, match="folder is not in the archive"):
        inspect(tmp_path / "b")


def test_a_member_that_the_manifest_does_not_know_is_refused(tmp_path: Path) -> None:
    hostile(tmp_path / "b", member("state/state.db", data=b"x"), truthful=False)
    with pytest.raises(HomeportError, match="lists"):
        inspect(tmp_path / "b")


def test_nothing_follows_the_manifest(tmp_path: Path) -> None:
    hostile(tmp_path / "b", end=gzip.compress(b"more"))
    with pytest.raises(HomeportError, match="something follows"):
        inspect(tmp_path / "b")


def test_a_header_that_asks_for_much_memory_is_refused_unread(tmp_path: Path) -> None:
    bomb = tarfile.TarInfo("pax")
    bomb.type, bomb.size = tarfile.XHDTYPE, 1 << 32
    raw = member(HEADER, data=header())[0].tobuf() + header().ljust(512, b"\0") + bomb.tobuf() + bytes(1 << 21)
    (tmp_path / "b").write_bytes(gzip.compress(raw))
    with pytest.raises(HomeportError, match="a header is too large"):
        inspect(tmp_path / "b")


def test_a_file_that_is_cut_anywhere_is_refused(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "x").write_bytes(os.urandom(50_000))
    made(tmp_path / "b", lambda writer: in_agents_folder(writer, data))
    whole = (tmp_path / "b").read_bytes()
    for length in (0, 1, 9, 10, 200, len(whole) // 2, len(whole) - 400, len(whole) - 9, len(whole) - 1):
        (tmp_path / "cut").write_bytes(whole[:length])
        with pytest.raises(HomeportError):
            inspect(tmp_path / "cut")


def test_a_bit_that_turned_anywhere_is_noticed(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "x").write_bytes(os.urandom(20_000))
    made(tmp_path / "b", lambda writer: in_agents_folder(writer, data))
    whole = bytearray((tmp_path / "b").read_bytes())
    for place in range(20, len(whole), 997):
        whole[place] ^= 1
        (tmp_path / "bad").write_bytes(whole)
        with pytest.raises(HomeportError):
            inspect(tmp_path / "bad")
        whole[place] ^= 1


def test_a_newer_format_is_refused_with_the_version_that_made_it(tmp_path: Path) -> None:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        info, data = member(HEADER, data=header(FORMAT + 1))
        tar.addfile(info, io.BytesIO(data))
    (tmp_path / "b").write_bytes(gzip.compress(raw.getvalue()))
    with pytest.raises(UsageError, match=r"newer Homeport \(9\.9\.9\)"):
        inspect(tmp_path / "b")


@pytest.mark.parametrize(
    "content",
    [b"", b"no archive", gzip.compress(b"no tar"), gzip.compress(bytes(4096))],
    ids="empty text packed zeros".split(),
)
def test_a_file_of_another_kind_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "b").write_bytes(content)
    with pytest.raises(HomeportError):
        inspect(tmp_path / "b")

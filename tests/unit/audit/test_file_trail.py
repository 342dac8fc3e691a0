# SPDX-License-Identifier: Apache-2.0
"""The audit file: what a crash leaves is mended openly, what a person changes is named."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import subprocess
import sys

import pytest

from homeport.drivers.audits.file import FileAudit, Options
from homeport.errors import Conflict, HomeportError, StorageFull, UsageError


async def append(audit, subject="billing", **more):
    return await audit.append(
        namespace="default", actor="tok_1", action="agents.write", subject=subject, allowed=True, **more
    )


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state" / "audit.jsonl"


@pytest.fixture
async def filled(path):
    """A trail of five entries, closed."""
    audit = FileAudit(Options(path))
    for n in range(1, 6):
        await append(audit, f"a{n}")
    await audit.close()
    return path


class again:
    """The trail opened anew."""

    def __init__(self, path, **more):
        self.audit = FileAudit(Options(path), **more)

    async def __aenter__(self):
        return self.audit

    async def __aexit__(self, *_):
        await self.audit.close()


async def test_the_files_are_for_their_owner_only(filled):
    for file in (filled, filled.with_name("audit.jsonl.head")):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(filled.parent.stat().st_mode) == 0o700


async def test_the_chain_goes_on_after_a_restart(filled):
    async with again(filled) as audit:
        assert (await append(audit)).seq == 6
        assert await audit.verify() == 6
    async with again(filled) as audit:
        assert [e.seq for e in await audit.entries(after=3)] == [4, 5, 6]


@pytest.mark.parametrize(
    ("change", "names"),
    [
        (lambda lines: [*lines[:2], lines[2].replace(b"a3", b"x3"), *lines[3:]], "3"),
        (lambda lines: [*lines[:2], *lines[3:]], "4"),
        (lambda lines: [*lines[:1], lines[2], lines[1], *lines[3:]], "3"),
        (lambda lines: [*lines[:3], lines[2], *lines[3:]], "3"),
        (lambda lines: [lines[0].replace(b":true", b": true"), *lines[1:]], "byte 0"),
        (lambda lines: [*lines[:1], b"\n", *lines[1:]], "2"),
        (lambda lines: [*lines[:4], b"\xff\xfe garbage\n"], "5"),
        (lambda lines: [*lines[:3], b"[" * 60_000 + b"\n", *lines[3:]], "4"),
        (lambda lines: [*lines[:3], b"x" * 200_000 + b"\n", *lines[3:]], "4"),
    ],
    ids=["edited", "removed", "swapped", "repeated", "respaced", "blank", "garbage", "deep", "long"],
)
async def test_the_first_entry_that_was_changed_is_named(filled, change, names):
    filled.write_bytes(b"".join(change(filled.read_bytes().splitlines(keepends=True))))
    async with again(filled) as audit:
        with pytest.raises(HomeportError) as caught:
            await audit.verify()
        assert caught.value.subject == names


async def test_an_entry_rewritten_with_a_fitting_hash_breaks_the_chain_at_the_next(filled):
    from homeport.drivers.audits.file.chain import from_line, seal, to_line

    lines = filled.read_bytes().splitlines(keepends=True)
    forged = json.loads(lines[1])
    forged["subject"], forged["hash"] = "forged", ""
    lines[1] = to_line(seal(from_line(json.dumps(forged, sort_keys=True, separators=(",", ":")).encode() + b"\n")))
    filled.write_bytes(b"".join(lines))
    async with again(filled) as audit:
        with pytest.raises(HomeportError) as caught:
            await audit.verify()
        assert caught.value.subject == "3"


async def test_an_end_that_was_cut_off_is_noted_at_once_and_named_for_ever(filled):
    filled.write_bytes(b"".join(filled.read_bytes().splitlines(keepends=True)[:3]))
    async with again(filled) as audit:
        entries = await audit.entries()
        assert [e.seq for e in entries] == [1, 2, 3, 6]
        assert (entries[-1].action, entries[-1].detail["from"], entries[-1].detail["to"]) == ("audit.gap", "4", "5")
        await append(audit)
    async with again(filled) as audit:
        with pytest.raises(HomeportError, match="missing: 4 to 5"):
            await audit.verify()


async def test_a_head_file_that_was_removed_or_spoiled_is_named_for_ever(filled):
    for spoil in (lambda head: head.unlink(), lambda head: head.write_bytes(b"{}")):
        spoil(filled.with_name("audit.jsonl.head"))
        async with again(filled) as audit:
            assert (await audit.entries(limit=1000))[-1].action == "audit.gap"
        async with again(filled) as audit:
            with pytest.raises(HomeportError):
                await audit.verify()


async def test_a_line_torn_by_a_crash_is_cut_off_and_that_is_written_down(filled):
    with filled.open("ab") as file:
        file.write(b'{"action":"agents.wr')
    async with again(filled) as audit:
        note = (await audit.entries())[-1]
        assert (note.seq, note.action, note.detail["bytes"]) == (6, "audit.mended", "20")
        assert await audit.verify() == 6


async def test_zeros_left_by_a_power_cut_are_cut_off_too(filled):
    with filled.open("ab") as file:
        file.write(bytes(300_000))
    async with again(filled) as audit:
        assert (await audit.entries())[-1].action == "audit.mended"
        assert await audit.verify() == 6


async def test_a_crash_between_entry_and_head_is_not_a_false_alarm(filled):
    head = filled.with_name("audit.jsonl.head")
    before = head.read_bytes()
    async with again(filled) as audit:
        await append(audit)
    head.write_bytes(before)
    async with again(filled) as audit:
        assert await audit.verify() == 6


async def test_a_second_process_may_not_write_the_same_trail(filled):
    async with again(filled) as audit:
        await append(audit)
        async with again(filled) as other:
            with pytest.raises(Conflict):
                await append(other)


async def test_a_long_trail_is_read_from_anywhere_and_appending_goes_on_while_it_is_verified(path):
    async with again(path) as audit:
        await asyncio.gather(*(append(audit, f"a{n}", detail={"x": "y" * 200}) for n in range(1500)))
        for after in (0, 1, 749, 1498):
            assert [e.seq for e in await audit.entries(after=after, limit=2)] == [after + 1, after + 2][: 1500 - after]
        checked, entry = await asyncio.gather(audit.verify(), append(audit))
        assert checked in (1500, 1501) and entry.seq == 1501


async def test_an_entry_too_large_is_refused_and_the_next_is_taken(path):
    async with again(path) as audit:
        with pytest.raises(UsageError):
            await append(audit, "x" * 70_000)
        assert (await append(audit)).seq == 1


FULL = """
import asyncio, resource, signal, sys
from pathlib import Path
from homeport.drivers.audits.file import FileAudit, Options
from homeport.errors import StorageFull

async def main():
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    audit, done, full = FileAudit(Options(Path(sys.argv[1]))), 0, 0
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, resource.RLIM_INFINITY))
    for _ in range(100):
        try:
            await audit.append(namespace="n", actor="a", action="b", subject="c" * 100, allowed=True)
            done += 1
        except StorageFull:
            full += 1
    print(done, full, await audit.verify())
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    await audit.append(namespace="n", actor="a", action="b", subject="after", allowed=True)
    print(await audit.verify())
    await audit.close()

asyncio.run(main())
"""


def test_when_there_is_no_room_the_caller_is_told_and_nothing_is_half_written(path):
    ran = subprocess.run([sys.executable, "-c", FULL, str(path)], capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
    done, full, verified, after = map(int, ran.stdout.split())
    assert done > 5 and full > 5 and done + full == 100
    assert verified == done and after == done + 1
    assert StorageFull.retry


KILLED = """
import asyncio, sys
from pathlib import Path
from homeport.drivers.audits.file import FileAudit, Options

async def main():
    audit = FileAudit(Options(Path(sys.argv[1])))
    async def run(n):
        while True:
            entry = await audit.append(namespace="n", actor="a", action="b", subject=f"s{n}", allowed=True)
            print(entry.seq, entry.hash, flush=True)
    await asyncio.gather(*(run(n) for n in range(4)))

asyncio.run(main())
"""


def acknowledged_until_killed(path):
    """What a writer printed as written before it was killed, hash by number."""
    writer = subprocess.Popen([sys.executable, "-c", KILLED, str(path)], stdout=subprocess.PIPE, text=True)
    try:
        lines = [writer.stdout.readline() for _ in range(60)]
    finally:
        os.kill(writer.pid, 9)
        lines += writer.stdout.read().splitlines()
        writer.wait()
        writer.stdout.close()
    pairs = (line.split() for line in lines)
    return {int(pair[0]): pair[1] for pair in pairs if len(pair) == 2 and len(pair[1]) == 64}


async def test_after_kill_9_every_entry_that_was_acknowledged_is_there(path):
    acknowledged = await asyncio.to_thread(acknowledged_until_killed, path)
    async with again(path) as audit:
        await audit.verify()
        there = {e.seq: e.hash for e in await audit.entries(limit=10**6)}
    assert len(acknowledged) >= 60
    assert acknowledged.items() <= there.items()

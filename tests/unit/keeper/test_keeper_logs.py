# SPDX-License-Identifier: Apache-2.0
"""Lines in, bounded and rotated files out, and the same lines read back."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

from hypothesis import given
from hypothesis import strategies as st

from homeport.drivers.runtimes.process.logreader import read_logs
from homeport.model.logformat import MAX_LINE, parse, stamp
from homeport.serve.keeper.logs import CUT, AgentLog, LogFile, Splitter


@given(st.lists(st.binary(max_size=50).filter(lambda line: b"\n" not in line)), st.integers(1, 20))
def test_lines_come_out_as_they_went_in_however_the_pipe_cuts_them(lines, size):
    data = b"".join(line + b"\n" for line in lines)
    splitter = Splitter()
    found = [line for start in range(0, len(data), size) for line in splitter.feed(data[start : start + size])]
    assert found + splitter.end() == lines


def test_a_line_without_end_is_cut_once_and_the_next_one_is_whole():
    splitter = Splitter()
    found = []
    for _ in range(10):
        found += splitter.feed(b"x" * 10_000)
    found += splitter.feed(b"tail\nnext\n")
    assert found == [b"x" * MAX_LINE + CUT, b"next"]
    assert splitter.feed(b"y" * (MAX_LINE + 1) + b"\n") == [b"y" * MAX_LINE + CUT]


@given(st.integers(0, 4_000_000_000_000_000), st.text().filter(lambda text: "\n" not in text))
def test_a_written_line_is_read_back(at_us, text):
    text = text.encode("utf-8", "replace").decode()
    assert parse(f"{stamp(at_us)} out ins_1 {text}".encode()) == (at_us, "out", "ins_1", text)


@given(st.binary())
def test_damaged_lines_are_left_out_and_never_an_error(line):
    found = parse(line)
    assert found is None or found[1] in ("out", "err", "sys")


async def lines_of(folder, **options):
    return [line async for line in read_logs(folder, **{"tail": 0, "since_us": 0, "follow": False, **options})]


async def test_files_are_rotated_at_the_limit_and_three_old_ones_are_kept(tmp_path):
    log = AgentLog(tmp_path, 10_000)
    for number in range(3000):
        log.write("out", "ins_1", [b"%d" % number])
    log.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1.log", "2.log", "3.log", "current.log"]
    assert all(path.stat().st_size <= 10_000 for path in tmp_path.iterdir())
    numbers = [int(line.text) for line in await lines_of(tmp_path)]
    assert numbers == list(range(numbers[0], 3000))
    assert [line.text for line in await lines_of(tmp_path, tail=2)] == ["2998", "2999"]


async def test_a_follower_misses_nothing_over_rotations(tmp_path):
    log = AgentLog(tmp_path, 10_000)
    seen = []
    async with asyncio.timeout(60), aclosing(read_logs(tmp_path, tail=0, since_us=0, follow=True)) as lines:
        for number in range(1000):
            log.write("out", "ins_1", [b"%d" % number])
            if number % 100 == 99:
                while len(seen) <= number:
                    seen.append((await anext(lines)).text)
    log.close()
    assert seen == [str(number) for number in range(1000)]


async def test_text_that_is_not_utf8_is_shown_with_marks(tmp_path):
    log = AgentLog(tmp_path, 10_000)
    log.write("err", "ins_1", [b"caf\xe9\r", "naïve\u2028x".encode()])
    log.close()
    assert [line.text for line in await lines_of(tmp_path)] == ["caf\ufffd", "naïve\u2028x"]


async def test_what_a_full_disk_swallowed_is_counted_and_said_later(tmp_path):
    blocked = tmp_path / "logs"
    blocked.write_text("a file where the folder should be")
    log = AgentLog(blocked, 10_000)
    log.write("out", "ins_1", [b"lost"])
    blocked.unlink()
    log.write("out", "ins_1", [b"kept"])
    log.close()
    texts = [line.text for line in await lines_of(blocked)]
    assert texts[0].endswith("bytes of log were lost: the disk was full]")
    assert texts[1:] == ["kept"]


def test_a_log_is_never_written_through_a_link(tmp_path):
    target = tmp_path / "target"
    target.write_text("untouched")
    (tmp_path / "current.log").symlink_to(target)
    log = LogFile(tmp_path, 10_000)
    log.write(b"x\n")
    assert target.read_text() == "untouched"
    assert log.lost == 2

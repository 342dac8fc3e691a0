# SPDX-License-Identifier: Apache-2.0
"""The gateway's bench, but for what only a run can show: pictures, the disk it refuses, messages of the stand-in."""

from __future__ import annotations

import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))
from bench.gateway import disk, svg
from bench.gateway.load import Run, ratio
from bench.gateway.standin import command, message_size


def test_pictures_are_well_formed_and_name_every_contestant() -> None:
    rates = {"nginx": 40_000.0, "<durable>": 5_000.0}
    curves = {name: {"50": 0.3, "99": 12.0} for name in rates}
    for picture in (svg.bars("Rates", "/s", rates, {"nginx": "15 us"}), svg.lines("Latency", "ms", curves)):
        assert ElementTree.fromstring(picture).tag == "{http://www.w3.org/2000/svg}svg"
        assert "nginx" in picture
        assert "&lt;durable&gt;" in picture


def test_bars_are_as_long_as_their_values_say() -> None:
    tree = ElementTree.fromstring(svg.bars("Rates", "/s", {"one": 100.0, "half": 50.0}, {}))
    _, one, half = (float(rect.get("width", "0")) for rect in tree.iter("{http://www.w3.org/2000/svg}rect"))
    assert half == pytest.approx(one / 2, abs=0.2)


def test_a_folder_in_memory_is_refused_in_words(monkeypatch, tmp_path) -> None:
    memory = Path("/dev/shm")
    if disk.file_system(memory) not in ("tmpfs", "ramfs"):
        pytest.skip("no file system in memory here")
    with pytest.raises(SystemExit, match="forgets"):
        disk.refuse_memory(memory)


def test_the_ratio_is_the_median_of_the_ratios_of_each_round() -> None:
    def runs(*rates: float) -> list[Run]:
        return [Run(rate, 1, 1.0, {}) for rate in rates]

    assert ratio({"a": runs(10, 30, 90), "b": runs(100, 100, 100)}, "a", "b") == 0.3


@pytest.mark.parametrize(
    ("data", "size"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", 41),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 27),
        (b"GET / HTTP/1.1\r\nHost", -1),
    ],
)
def test_the_stand_in_knows_where_a_message_ends(data: bytes, size: int) -> None:
    assert message_size(data) == size


def test_the_stand_in_speaks_redis() -> None:
    assert command(b"SET", b"a", b"xy") == b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$2\r\nxy\r\n"

# SPDX-License-Identifier: Apache-2.0
"""How the demo runs the `homeport` command and shows what it says. Nothing here knows the story."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

BOLD, DIM, GREEN, RED, PLAIN = "\033[1m", "\033[2m", "\033[32m", "\033[31m", "\033[0m"


class DemoFailed(Exception):
    """Something is not as the demo promises. The message says what, in one or a few lines."""


def paint(text: str, code: str) -> str:
    coloured = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    return f"{code}{text}{PLAIN}" if coloured else text


def say(text: str = "") -> None:
    for line in text.splitlines() or [""]:
        print(f"  {line}" if line else "", flush=True)


class Acts:
    """Headings, and how long each act took (seconds, wall clock)."""

    def __init__(self) -> None:
        self._begin = self._since = time.monotonic()
        self._title = ""

    def restart(self) -> None:
        """The clock of the story begins now."""
        self._begin = time.monotonic()

    def begin(self, title: str) -> None:
        self.end()
        self._title, self._since = title, time.monotonic()
        print(f"\n{paint('▸ ' + title, BOLD)}", flush=True)

    def end(self) -> None:
        if self._title:
            print(paint(f"  ({time.monotonic() - self._since:.1f} s)", DIM), flush=True)
        self._title = ""

    @property
    def total(self) -> float:
        return time.monotonic() - self._begin


class Homeport:
    """The command of this checkout, with a state folder and ports of its own."""

    def __init__(self, program: Path, home: Path, ports: tuple[int, int]) -> None:
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("HOMEPORT_")}
        self.env = inherited | {
            "HOMEPORT_HOME": str(home),
            "HOMEPORT_API_LISTEN": f"127.0.0.1:{ports[0]}",
            "HOMEPORT_GATEWAY_LISTEN": f"127.0.0.1:{ports[1]}",
        }
        self._program = str(program)

    def live(self, *args: str) -> str:
        """Run a command, show its lines as they come, return them. Raises `DemoFailed` unless it ends with 0."""
        say(paint("$ " + " ".join(["homeport", *args]), DIM))
        process = subprocess.Popen(
            [self._program, *args],
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        lines = []
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            say(line.rstrip("\n"))
        if code := process.wait():
            raise DemoFailed(f"`homeport {' '.join(args)}` ended with {code}")
        return "".join(lines)

    def ask(self, *args: str) -> Any:
        """Run a command with --json and return its document. Raises `DemoFailed`."""
        return self.answer(self.begin(*args))

    def ask_lines(self, *args: str) -> list[Any]:
        """The same for a command that prints one document a line."""
        process = self.begin(*args)
        return [parsed(line, process) for line in self._out(process, 60.0).splitlines() if line.strip()]

    def begin(self, *args: str) -> subprocess.Popen[str]:
        """The same without waiting; pass the process to `answer`."""
        return subprocess.Popen(
            [self._program, "--json", *args],
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )

    @contextmanager
    def following(self, *args: str, timeout: float = 60.0) -> Iterator[IO[str]]:
        """The stdout of a command that goes on until it is ended: on leaving, or after `timeout` seconds."""
        process = self.begin(*args)
        assert process.stdout is not None
        watchdog = threading.Timer(timeout, process.kill)
        watchdog.start()
        try:
            yield process.stdout
        finally:
            watchdog.cancel()
            process.kill()
            process.communicate()

    def answer(self, process: subprocess.Popen[str], timeout: float = 60.0) -> Any:
        return parsed(self._out(process, timeout), process)

    def _out(self, process: subprocess.Popen[str], timeout: float) -> str:
        words = words_of(process)
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise DemoFailed(f"`{words}` said nothing for {timeout:.0f} s") from None
        if process.returncode:
            raise DemoFailed(f"`{words}` ended with {process.returncode}:\n{err.strip() or out.strip()}")
        return out


def words_of(process: subprocess.Popen[str]) -> str:
    words = process.args
    return " ".join(["homeport", *map(str, words[2:])]) if isinstance(words, list) else str(words)


def parsed(text: str, process: subprocess.Popen[str]) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        raise DemoFailed(f"`{words_of(process)}` did not print JSON:\n{text[:400]}") from None


def until(what: str, ready: Callable[[], Any], timeout: float = 30.0) -> Any:
    """The first true answer of `ready`, asked again and again. Raises `DemoFailed` after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not (found := ready()):
        if time.monotonic() > deadline:
            raise DemoFailed(f"waited {timeout:.0f} s for {what}, in vain")
        time.sleep(0.05)
    return found


def until_said(lines: Iterable[str], words: str) -> None:
    """Read on until a line holds `words`. Raises `DemoFailed` where the lines end before."""
    if not any(words in line for line in lines):
        raise DemoFailed(f"nobody said {words!r}")


def last_lines(files: Sequence[Path], count: int) -> str:
    """The end of each of these logs that exists and is not empty."""
    parts = []
    for file in files:
        lines = file.read_text(errors="replace").splitlines() if file.is_file() else []
        if lines:
            parts.append("\n".join([f"── last lines of {file.name}", *lines[-count:]]))
    return "\n".join(parts)

# SPDX-License-Identifier: Apache-2.0
"""Gateway and server: started with their sockets, started again when they die, their output kept."""

# ruff: noqa: S606
from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from homeport.drivers.runtimes.process import kernel
from homeport.errors import Conflict, HomeportError, Unavailable
from homeport.serve.keeper.lastwords import LastWords
from homeport.serve.keeper.logs import LogFile
from homeport.serve.keeper.loop import Loop, Timer
from homeport.serve.listen import FDS, READY

FIRST_DELAY, LAST_DELAY = 0.1, 10.0
CALM = 10.0
"""Seconds a child must have run for its next restart to be immediate again."""
TRIES = 3
"""Deaths before it was ever ready, after which the start of the whole has failed."""
_LOG_BYTES = 10 * 1024 * 1024


class Child:
    def __init__(
        self,
        name: str,
        command: Sequence[str],
        sockets: dict[str, socket.socket],
        *,
        loop: Loop,
        logs: Path,
        on_ready: Callable[[], None],
        on_failed: Callable[[HomeportError], None],
        say: Callable[[str], None],
    ) -> None:
        self.name, self.command, self.sockets, self.loop = name, list(command), sockets, loop
        self.log_path = logs / f"{name}.log"
        self._log = LogFile(logs, _LOG_BYTES, current=f"{name}.log")
        self._on_ready, self._on_failed, self._say = on_ready, on_failed, say
        self._words = LastWords()
        self.pid = 0
        self.problem = ""
        self.restarts = 0
        self.ready = False
        self.was_ready = False
        self._early_deaths = 0
        self._delay = FIRST_DELAY
        self._stopping = False
        self._then: Callable[[], None] | None = None
        self._replaced: Callable[[HomeportError | None], None] | None = None
        self._giving_way = False
        self._timer: Timer | None = None

    def start(self) -> None:
        self._timer = None
        self._words = LastWords()
        out_r, out_w = os.pipe2(os.O_CLOEXEC)
        ready_r, ready_w = os.pipe2(os.O_CLOEXEC)
        try:
            self.pid = self._fork(out_w, ready_w)
        finally:
            os.close(out_w)
            os.close(ready_w)
        self._started_at = time.monotonic()
        for fd in (out_r, ready_r):
            os.set_blocking(fd, False)
        self._out = out_r
        self.loop.on_exit(self.pid, self._exited)
        self.loop.watch(out_r, lambda _: self._read(out_r))
        self.loop.watch(ready_r, lambda _: self._heard(ready_r))

    def stop(self, grace: float, then: Callable[[], None]) -> None:
        """SIGTERM, SIGKILL after `grace` seconds, then `then`. It is not started again."""
        self._stopping = True
        if self._timer is not None:
            self._timer.cancel()
        if not self.pid:
            then()
            return
        self._then = then
        os.kill(self.pid, signal.SIGTERM)
        self._timer = self.loop.after(grace, self.kill)

    def restart(self, grace: float, then: Callable[[HomeportError | None], None]) -> None:
        """End it as `stop` does and start the next one at once; `then` hears of it when that is up, or why it is not.

        Raises `Conflict` while that is under way already, or while everything ends.
        """
        if self._replaced is not None or self._stopping:
            why = "the server is stopping" if self._stopping else f"{self.name} is being restarted already"
            raise Conflict(why, operation="restart", subject=self.name)
        self._replaced = then
        if self._timer is not None:
            self._timer.cancel()
        self._giving_way = bool(self.pid)
        if self.pid:
            os.kill(self.pid, signal.SIGTERM)
            self._timer = self.loop.after(grace, self.kill)
        else:
            self.start()

    def kill(self) -> None:
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)

    def _fork(self, out: int, ready: int) -> int:
        parent = os.getpid()
        pid = os.fork()
        if pid:
            return pid
        try:
            os.setpgid(0, 0)  # a terminal's Ctrl-C is for the keeper, which ends its children in order
            kernel.die_with_parent(signal.SIGTERM, parent)
            null = os.open("/dev/null", os.O_RDONLY)
            for fd, target in ((null, 0), (out, 1), (out, 2)):
                os.dup2(fd, target)
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
                signal.signal(number, signal.SIG_DFL)
            os.set_inheritable(ready, True)
            for listener in self.sockets.values():
                os.set_inheritable(listener.fileno(), True)
            fds = ",".join(f"{name}={listener.fileno()}" for name, listener in self.sockets.items())
            os.execve(self.command[0], self.command, os.environ | {FDS: fds, READY: str(ready)})
        except BaseException as error:
            os.write(2, f"{self.command[0]}: {error}\n".encode())
        finally:
            os._exit(127)

    def _read(self, fd: int) -> bool:
        try:
            data = os.read(fd, 65536)
        except BlockingIOError:
            return False
        if not data:
            self.loop.unwatch(fd)
            os.close(fd)
            self._out = -1
            return False
        self._log.write(data)
        self._words.add(data)
        return True

    def _heard(self, fd: int) -> None:
        said = os.read(fd, 64)
        self.loop.unwatch(fd)
        os.close(fd)
        if said.startswith(b"ready") and not self.ready:
            self.ready = self.was_ready = True
            self.problem = ""
            self._on_ready()
            self._tell_replaced(None)

    def _exited(self, status: int) -> None:
        self.pid, self.ready = 0, False
        while self._out >= 0 and self._read(self._out):
            continue
        if self._out >= 0:
            # Something it started still holds its output; that is not ours to follow.
            self.loop.unwatch(self._out)
            os.close(self._out)
        if self._timer is not None:
            self._timer.cancel()
        if self._stopping:
            self._tell_replaced(Unavailable("the server is stopping", operation="restart", subject=self.name))
            if self._then is not None:
                self._then()
        elif self._giving_way:
            self._giving_way, self._delay = False, FIRST_DELAY
            self._log.write(f"keeper: {self.name} is replaced, as was asked for\n".encode())
            self.start()
        else:
            self._start_again(status)

    def _start_again(self, status: int) -> None:
        how = f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else f"status {os.WEXITSTATUS(status)}"
        cause, hint = self._words.cause, self._words.hint or f"see {self.log_path}"
        self.problem = f"{self.name} ended with {how}" + (f": {cause}" if cause else "")
        calm = time.monotonic() - self._started_at >= CALM
        self._delay = FIRST_DELAY if calm else min(self._delay * 2, LAST_DELAY)
        self._log.write(f"keeper: {self.name} ended with {how}; next start in {self._delay:.1f} s\n".encode())
        self.restarts += 1
        self._early_deaths += 0 if self.was_ready else 1
        if self._early_deaths >= TRIES:
            why = f"{how} before it was ready, {TRIES} times" + (f": {cause}" if cause else "")
            self._on_failed(HomeportError(f"{self.name} ended with {why}", operation="serve", hint=hint))
        else:
            self._say(f"{self.problem}; next start in {self._delay:.1f} s")
            self._timer = self.loop.after(self._delay, self.start)
        self._tell_replaced(Unavailable(self.problem, operation="restart", subject=self.name, hint=hint))

    def _tell_replaced(self, error: HomeportError | None) -> None:
        then, self._replaced = self._replaced, None
        if then is not None:
            then(error)

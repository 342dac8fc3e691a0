# SPDX-License-Identifier: Apache-2.0
"""The keeper's event loop: descriptors, timers, signals and children, in one thread and no memory to speak of."""

from __future__ import annotations

import heapq
import itertools
import os
import select
import signal
import time
from collections.abc import Callable

READ, WRITE = select.EPOLLIN, select.EPOLLOUT


class Timer:
    __slots__ = ("call", "due")

    def __init__(self, due: float, call: Callable[[], None] | None) -> None:
        self.due, self.call = due, call

    def cancel(self) -> None:
        self.call = None


class Loop:
    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._calls: dict[int, Callable[[int], object]] = {}
        self._timers: list[tuple[float, int, Timer]] = []
        self._order = itertools.count()
        self._later: list[Callable[[], object]] = []
        self._children: dict[int, Callable[[int], None]] = {}
        self._signals: dict[int, Callable[[], None]] = {}
        self._running = False
        self._wake_r, self._wake_w = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.set_wakeup_fd(self._wake_w, warn_on_full_buffer=False)
        self.watch(self._wake_r, self._woken)
        self.on_signal(signal.SIGCHLD, self.reap)

    def watch(self, fd: int, call: Callable[[int], object], mask: int = READ) -> None:
        """Call `call(events)` whenever `fd` is ready, for as long as it is."""
        if fd in self._calls:
            self._epoll.modify(fd, mask)
        else:
            self._epoll.register(fd, mask)
        self._calls[fd] = call

    def unwatch(self, fd: int) -> None:
        if self._calls.pop(fd, None) is not None:
            self._epoll.unregister(fd)

    def after(self, seconds: float, call: Callable[[], None]) -> Timer:
        timer = Timer(time.monotonic() + seconds, call)
        heapq.heappush(self._timers, (timer.due, next(self._order), timer))
        return timer

    def soon(self, call: Callable[[], object]) -> None:
        """After everything that is ready now."""
        self._later.append(call)

    def on_signal(self, number: int, call: Callable[[], None]) -> None:
        self._signals[number] = call
        signal.signal(number, lambda *_: None)

    def on_exit(self, pid: int, call: Callable[[int], None]) -> None:
        """Call `call(wait_status)` when this child of ours has ended."""
        self._children[pid] = call

    @property
    def children(self) -> set[int]:
        return set(self._children)

    def reap(self) -> None:
        """Orphans that this process adopted as subreaper end here too; nobody waits for those."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if call := self._children.pop(pid, None):
                call(status)

    def run(self) -> None:
        self._running = True
        while self._running:
            for fd, events in self._epoll.poll(self._wait()):
                if call := self._calls.get(fd):
                    call(events)
            now = time.monotonic()
            while self._timers and self._timers[0][0] <= now:
                due_call = heapq.heappop(self._timers)[2].call
                if due_call is not None:
                    due_call()
            later, self._later = self._later, []
            for call_later in later:
                call_later()

    def stop(self) -> None:
        self._running = False

    def close(self) -> None:
        signal.set_wakeup_fd(-1)
        self._epoll.close()
        os.close(self._wake_r)
        os.close(self._wake_w)

    def _wait(self) -> float | None:
        if self._later:
            return 0.0
        return max(0.0, self._timers[0][0] - time.monotonic()) if self._timers else None

    def _woken(self, _events: int) -> None:
        try:
            numbers = set(os.read(self._wake_r, 512))
        except BlockingIOError:
            return
        for number in sorted(numbers):
            if call := self._signals.get(number):
                call()

# SPDX-License-Identifier: Apache-2.0
"""A journal beside the one in memory: whatever is asked of both, they never disagree. Drivers add how they are lost."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from homeport.interfaces.journal import Journal
from homeport.model.request import Body, RequestState, StoredRequest
from homeport.model.webhook import Change
from homeport.testing.conformance.journal import flying, request, response
from homeport.testing.conformance.journal_outbox import told
from homeport.testing.journals import MemoryJournal

NUMBERS = st.integers(1, 5)
FENCES = st.integers(0, 3)
STATES = st.sampled_from([RequestState.PENDING, RequestState.FAILED, RequestState.DEAD])
HOOK = st.sampled_from(["whk_1", "whk_2"])
HOOKS = st.sampled_from(["", told("whk_1"), told("whk_1", "whk_2"), '{"whk_2":"completed,dead"}'])


def _told(change: Change) -> Change:
    """Without what is each journal's own."""
    return replace(change, id="", seq=0, at_us=0)


def thorough(examples: int, steps: int) -> settings:
    """So many runs of so many steps; `JOURNAL_EXAMPLES` asks for more runs."""
    return settings(
        max_examples=int(os.environ.get("JOURNAL_EXAMPLES", examples)),
        stateful_step_count=steps,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


class JournalMachine(RuleBasedStateMachine):
    """`opened` is what a driver has to say; its own rules come beside these."""

    real: Journal

    async def opened(self) -> Journal:
        """A journal with nothing in it."""
        raise NotImplementedError

    @initialize()
    def begin(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.model = MemoryJournal()
        self.real = self.loop.run_until_complete(self.opened())

    def both(self, name: str, *args: object, **kwargs: object) -> None:
        async def ask(journal: Any) -> object:
            return await getattr(journal, name)(*args, **kwargs)

        self.the_same(ask)

    def the_same(self, asked: Callable[[Any], Coroutine[Any, Any, object]]) -> None:
        expected = self.loop.run_until_complete(asked(self.model))
        assert self.loop.run_until_complete(asked(self.real)) == expected

    @rule(
        n=NUMBERS,
        key=st.sampled_from(["", "a", "b"]),
        direct=st.booleans(),
        size=st.sampled_from([0, 9, 3000]),
        lane=st.sampled_from(["", "", "=l", "=m"]),
        priority=st.integers(0, 2),
        deadline=st.sampled_from([0, 7, 60]),
        hooks=HOOKS,
    )
    def accept(
        self, n: int, key: str, direct: bool, size: int, lane: str, priority: int, deadline: int, hooks: str
    ) -> None:
        if f"req_{n:04d}" not in self.model.requests:
            terms = {"key": key, "priority": priority, "deadline_us": deadline, "body": Body(b"z" * size, "", size)}
            terms["hooks"] = hooks
            self.both("accept", flying(n, **terms) if direct else request(n, lane=lane, **terms))

    @rule(n=NUMBERS, until=st.integers(0, 100))
    def lease(self, n: int, until: int) -> None:
        self.both("lease", f"req_{n:04d}", "you", until)

    @rule(held=st.lists(st.tuples(NUMBERS, FENCES), max_size=3, unique_by=lambda one: one[0]), until=st.integers(1, 99))
    def renew(self, held: list[tuple[int, int]], until: int) -> None:
        self.both("renew", [(f"req_{n:04d}", fence) for n, fence in held], "you", until)

    @rule(n=NUMBERS, fence=FENCES, size=st.sampled_from([0, 9, 3000]))
    def complete(self, n: int, fence: int, size: int) -> None:
        self.both("complete", f"req_{n:04d}", fence, response(b"y" * size))

    @rule(n=NUMBERS, fence=FENCES, state=STATES, later=st.integers(0, 9), attempted=st.booleans(), last=st.booleans())
    def release(self, n: int, fence: int, state: RequestState, later: int, attempted: bool, last: bool) -> None:
        options = {"outcome": f"o{later}", "not_before_us": later, "attempted": attempted}
        if last and state is not RequestState.PENDING:
            options["response"] = response(b"no")
        self.both("release", f"req_{n:04d}", fence, state, **options)

    @rule(n=NUMBERS)
    def abandon(self, n: int) -> None:
        self.both("abandon", f"req_{n:04d}", RequestState.FAILED, outcome="late")

    @rule(n=NUMBERS)
    def replay(self, n: int) -> None:
        self.both("replay", f"req_{n:04d}")

    @rule(hook=HOOK, owner=st.sampled_from(["me", "you"]), now=st.integers(0, 99), limit=st.integers(1, 3))
    def claim(self, hook: str, owner: str, now: int, limit: int) -> None:
        async def ask(journal: Any) -> object:
            due = await journal.outbox.due([hook], now_us=now)
            found = await journal.outbox.claim(hook, owner, now_us=now, until_us=now + 20, limit=limit)
            assert not found or due
            return [_told(change) for change in found]

        self.the_same(ask)

    @rule(hook=HOOK, owner=st.sampled_from(["me", "you"]), n=st.integers(0, 9), how=st.integers(0, 2))
    def settle(self, hook: str, owner: str, n: int, how: int) -> None:
        """Whatever became of the n-th that was noted."""

        async def ask(journal: Any) -> object:
            outbox, found = journal.outbox, await journal.outbox.changes(hook)
            id_, told = found[-n - 1].id if n < len(found) else "msg_none", {"code": 200 + how, "said": "s"}
            if how == 0:
                return await outbox.defer(id_, owner, not_before_us=n * 10, counted=n % 2 == 0, **told)
            return await (outbox.deliver if how == 1 else outbox.bury)(id_, owner, at_us=n, **told)

        self.the_same(ask)

    @rule(
        hook=HOOK, how=st.sampled_from(["stop", "resume", "retry", "forget", "reclaim", "sweep"]), n=st.integers(0, 9)
    )
    def tend(self, hook: str, how: str, n: int) -> None:
        async def ask(journal: Any) -> object:
            outbox = journal.outbox
            return await {
                "stop": lambda: outbox.stop(hook, "410", at_us=n),
                "resume": lambda: outbox.resume(hook),
                "retry": lambda: outbox.retry(hook, (), now_us=n),
                "forget": lambda: outbox.forget(hook),
                "reclaim": lambda: outbox.reclaim("me"),
                "sweep": lambda: outbox.sweep(delivered_before_us=n, dead_before_us=n // 2, most=5),
            }[how]()

        self.the_same(ask)

    @invariant()
    def each_change_is_noted_once(self) -> None:
        async def ask(journal: Any) -> object:
            found = [one for hook in ("whk_1", "whk_2") for one in await journal.outbox.changes(hook)]
            assert len({one.id for one in found}) == len(found)
            return await journal.outbox.counted(), [_told(one) for one in found]

        if hasattr(self, "real"):
            self.the_same(ask)

    @rule(value=st.binary(max_size=9))
    def note(self, value: bytes) -> None:
        self.both("put_note", "n", value)

    @rule(n=NUMBERS, fence=FENCES, until=st.integers(1, 99))
    def several_at_once(self, n: int, fence: int, until: int) -> None:
        """In one batch, and so perhaps in one transaction: the same as one after the other."""
        id_ = f"req_{n:04d}"
        if id_ in self.model.requests:
            return

        async def ask(journal: Journal) -> list[object]:
            return list(
                await asyncio.gather(
                    journal.accept(request(n)),
                    journal.lease(id_, "you", until),
                    journal.complete(id_, fence, response()),
                    journal.release(id_, 1, RequestState.DEAD, outcome="x"),
                    journal.replay(id_),
                )
            )

        self.the_same(ask)

    @invariant()
    def they_agree(self) -> None:
        if not hasattr(self, "real"):
            return
        self.both("counts")
        self.both("backlog")
        self.both("queues")
        self.both("list", "default")
        self.both("pending", "default", "echo")
        self.both("due", "default", "echo", now_us=4, furthest_us=8)
        self.both("waiting", "default", "echo", most=3)
        self.both("expiring")
        self.lanes_are_narrow()
        self.both("interrupted", owner="me", now_us=50)
        self.both("get_note", "n")
        for n in range(1, 6):
            self.both("get", f"req_{n:04d}")

    def lanes_are_narrow(self) -> None:
        """Of one lane never two are in flight, and nobody is given out before one that was accepted before it."""
        held = list(self.loop.run_until_complete(self.real.list("default")))
        flying_in = [one.lane for one in held if one.lane and one.state is RequestState.IN_FLIGHT]
        assert len(flying_in) == len(set(flying_in))
        due = self.loop.run_until_complete(self.real.due("default", "echo", now_us=9, furthest_us=9))
        order = list(self.model.requests)
        for one in (one for one in due if one.lane):
            assert one.lane not in flying_in
            waiting = [held.id for held in self.model.requests.values() if _waits_in(held, one.lane)]
            assert one.id == min(waiting, key=order.index)

    def teardown(self) -> None:
        if hasattr(self, "real"):
            self.loop.run_until_complete(self.real.close())
            self.loop.run_until_complete(self.loop.shutdown_default_executor())
            self.loop.close()


def _waits_in(held: StoredRequest, lane: str) -> bool:
    return held.lane == lane and held.state is RequestState.PENDING

# SPDX-License-Identifier: Apache-2.0
"""What every Store does. The fixture `store` gives an empty, open one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from homeport.errors import Conflict, Unavailable, UsageError
from homeport.interfaces.store import Change, Store
from homeport.model.event import Event
from homeport.model.token import Role, Token


def event(key: str = "evt_1", message: str = "") -> Event:
    return Event(id=key, at_us=1, namespace="default", type="agent.started", subject="billing", message=message)


async def take(changes: AsyncIterator[Change[Event]], count: int) -> list[Change[Event]]:
    """The next `count` changes; generous, because machines are busy."""
    async with asyncio.timeout(30):
        return [await anext(changes) for _ in range(count)]


class StoreSuite:
    async def test_what_was_put_is_read_back_equal_with_its_revision(self, store: Store) -> None:
        written = event(message='snow ☃ "quoted" \n and more')
        revision = await store.put(written, namespace="default", key="evt_1")
        stored = await store.get(Event, "default", "evt_1")
        assert stored is not None
        assert (stored.record, stored.revision, stored.namespace, stored.key) == (
            written,
            revision,
            "default",
            "evt_1",
        )

    async def test_what_is_not_there_is_none(self, store: Store) -> None:
        assert await store.get(Event, "default", "nothing") is None
        assert await store.list(Event) == []

    async def test_one_key_means_another_record_in_another_namespace_and_of_another_type(self, store: Store) -> None:
        await store.put(event(message="a"), namespace="a", key="same")
        await store.put(event(message="b"), namespace="b", key="same")
        await store.put(Token("same", "a", Role.VIEWER, "0"), namespace="a", key="same")
        found = await store.get(Event, "b", "same")
        assert found is not None and found.record.message == "b"
        assert [s.record.message for s in await store.list(Event, "a")] == ["a"]
        assert await store.delete(Event, "a", "same")
        assert await store.get(Token, "a", "same") is not None
        assert await store.get(Event, "b", "same") is not None

    async def test_revisions_grow_over_all_records(self, store: Store) -> None:
        revisions = [await store.put(event(str(n)), namespace="default", key=str(n % 2)) for n in range(1, 6)]
        assert revisions == sorted(set(revisions))
        await store.delete(Event, "default", "0")
        assert await store.put(event(), namespace="other", key="x") > revisions[-1] + 1

    async def test_expected_zero_writes_only_where_there_is_none(self, store: Store) -> None:
        await store.put(event(), namespace="default", key="a", expected=0)
        with pytest.raises(Conflict):
            await store.put(event(), namespace="default", key="a", expected=0)
        await store.delete(Event, "default", "a")
        await store.put(event(), namespace="default", key="a", expected=0)

    async def test_a_writer_that_read_an_old_revision_is_refused(self, store: Store) -> None:
        first = await store.put(event(), namespace="default", key="a")
        second = await store.put(event(message="new"), namespace="default", key="a", expected=first)
        for stale in (first, second + 1000):
            with pytest.raises(Conflict):
                await store.put(event(message="lost"), namespace="default", key="a", expected=stale)
            with pytest.raises(Conflict):
                await store.delete(Event, "default", "a", expected=stale)
        found = await store.get(Event, "default", "a")
        assert found is not None and found.record.message == "new"
        assert await store.delete(Event, "default", "a", expected=second)

    async def test_of_many_writers_at_once_with_one_revision_exactly_one_wins(self, store: Store) -> None:
        seen = await store.put(event(), namespace="default", key="a")
        tries = [store.put(event(message=str(n)), namespace="default", key="a", expected=seen) for n in range(20)]
        results = await asyncio.gather(*tries, return_exceptions=True)
        assert [type(r) for r in results].count(int) == 1
        assert [type(r) for r in results].count(Conflict) == 19

    async def test_deleting_twice_is_true_then_false(self, store: Store) -> None:
        await store.put(event(), namespace="default", key="a")
        assert await store.delete(Event, "default", "a") is True
        assert await store.delete(Event, "default", "a") is False
        assert await store.get(Event, "default", "a") is None

    async def test_lists_are_in_key_order_with_prefix_after_and_limit(self, store: Store) -> None:
        for key in ("b/2", "a", "b/1", "b0", "b/10", "c", "B", "é", "%", "b_"):
            await store.put(event(key), namespace="default", key=key)
        keys = [s.key for s in await store.list(Event, "default")]
        assert keys == sorted(keys) and len(keys) == 10
        assert [s.key for s in await store.list(Event, "default", prefix="b/")] == ["b/1", "b/10", "b/2"]
        assert [s.key for s in await store.list(Event, "default", prefix="b/", after="b/1", limit=1)] == ["b/10"]
        assert [s.key for s in await store.list(Event, "default", prefix="%")] == ["%"]
        assert await store.list(Event, "default", limit=0) == []
        assert await store.list(Event, "default", limit=-5) == []

    async def test_paging_over_all_namespaces_loses_nothing(self, store: Store) -> None:
        for key in ("k1", "k2", "k3"):
            for namespace in ("a", "b", "c"):
                await store.put(event(key), namespace=namespace, key=key)
        seen, after = [], ""
        while page := await store.list(Event, after=after, limit=2):
            seen += [(s.key, s.namespace) for s in page]
            after = page[-1].key
        assert seen == [(key, namespace) for key in ("k1", "k2", "k3") for namespace in ("a", "b", "c")]

    async def test_a_watch_shows_what_is_there_then_what_comes_in_order(self, store: Store) -> None:
        await store.put(event(message="1"), namespace="default", key="a")
        await store.put(event(message="2"), namespace="other", key="a")
        changes = store.watch(Event)
        first = await take(changes, 2)
        assert [c.record.message for c in first if c.record] == ["1", "2"]
        waiting = asyncio.create_task(take(changes, 3))
        await asyncio.sleep(0)
        await store.put(event(message="3"), namespace="default", key="b")
        await store.delete(Event, "default", "a")
        await store.put(event(message="4"), namespace="default", key="c")
        later = await waiting
        assert [(c.key, c.record.message if c.record else None) for c in later] == [
            ("b", "3"),
            ("a", None),
            ("c", "4"),
        ]
        assert [c.revision for c in first + later] == sorted({c.revision for c in first + later})

    async def test_a_watch_of_one_namespace_shows_no_other_and_starts_after_a_revision(self, store: Store) -> None:
        old = await store.put(event(message="old"), namespace="a", key="x")
        await store.put(event(message="elsewhere"), namespace="b", key="x")
        await store.put(Token("x", "a", Role.VIEWER, "0"), namespace="a", key="x")
        await store.put(event(message="mine"), namespace="a", key="y")
        (change,) = await take(store.watch(Event, "a", after=old), 1)
        assert change.record is not None and change.record.message == "mine"

    async def test_a_deletion_is_seen_by_a_watch_that_starts_later(self, store: Store) -> None:
        revision = await store.put(event(), namespace="default", key="a")
        await store.delete(Event, "default", "a")
        (change,) = await take(store.watch(Event, after=revision), 1)
        assert change.key == "a" and change.record is None

    async def test_places_that_cannot_be_kept_are_refused(self, store: Store) -> None:
        for namespace, key in (("", "a"), ("a", ""), ("a", "nul\0"), ("a", "\ud800"), ("a", "x" * 513), ("a\n", "b")):
            with pytest.raises(UsageError):
                await store.put(event(), namespace=namespace, key=key)
            with pytest.raises(UsageError):
                await store.get(Event, namespace, key)

    async def test_a_caller_that_gives_up_leaves_the_store_working(self, store: Store) -> None:
        tasks = [asyncio.create_task(store.put(event(), namespace="default", key=f"k{n}")) for n in range(10)]
        await asyncio.sleep(0)
        for task in tasks[::2]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        found = {s.key for s in await store.list(Event, "default")}
        assert {f"k{n}" for n in range(1, 10, 2)} <= found

    async def test_closing_ends_watches_refuses_work_and_may_be_repeated(self, store: Store) -> None:
        async def count() -> int:
            return len([change async for change in store.watch(Event)])

        await store.put(event(), namespace="default", key="a")
        watching = asyncio.create_task(count())
        await asyncio.sleep(0.05)
        await store.close()
        await store.close()
        async with asyncio.timeout(30):
            assert await watching == 1
        with pytest.raises(Unavailable):
            await store.put(event(), namespace="default", key="b")
        with pytest.raises(Unavailable):
            await store.list(Event)

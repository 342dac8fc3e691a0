# SPDX-License-Identifier: Apache-2.0
"""Any sequence of calls gives the same answers from each real store and from the model in memory."""

from __future__ import annotations

import asyncio
import itertools
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from homeport.drivers.stores.sql.postgres import Options as PostgresOptions
from homeport.drivers.stores.sql.postgres import PostgresStore
from homeport.drivers.stores.sql.sqlite import Options, SqliteStore
from homeport.errors import HomeportError
from homeport.model.codec import kind_of
from homeport.model.event import Event
from homeport.model.token import Role, Token
from homeport.testing.stores import MemoryStore

COUNT = itertools.count()
TEXT = st.text(st.sampled_from(list("ab/%_é\U0010ffff\ud7ff\0☃")), max_size=4)
NAMESPACE = st.sampled_from(["a", "b", ""])
CLASS = st.sampled_from([Event, Token])
EXPECTED = st.sampled_from([None, 0, "last", 10**6])
CALL = st.one_of(
    st.tuples(st.just("put"), CLASS, NAMESPACE, TEXT, EXPECTED),
    st.tuples(st.just("delete"), CLASS, NAMESPACE, TEXT, EXPECTED),
    st.tuples(st.just("get"), CLASS, NAMESPACE, TEXT, st.none()),
    st.tuples(st.just("list"), CLASS, st.sampled_from(["a", "b", None]), TEXT, st.tuples(TEXT, st.integers(-1, 4))),
    st.tuples(st.just("watch"), CLASS, st.sampled_from(["a", "b", None]), st.just(""), st.integers(0, 5)),
)


def make(cls, number):
    if cls is Event:
        return Event(str(number), number, "a", "t", "s")
    return Token(str(number), "a", Role.VIEWER, "0")


def waiting_changes(model, call):
    """How many changes a watch shows at once."""
    verb, cls, namespace, _, after = call
    places = model._records.items() if verb == "watch" else ()
    return sum(
        kind == kind_of(cls) and namespace in (None, there) and revision > after
        for (kind, there, _), (_, revision) in places
    )


async def perform(store, number, call, last, count):
    verb, cls, namespace, key, more = call
    try:
        if verb == "put":
            expected = last if more == "last" else more
            return await store.put(make(cls, number), namespace=namespace, key=key, expected=expected)
        if verb == "delete":
            return await store.delete(cls, namespace, key, expected=last if more == "last" else more)
        if verb == "get":
            return await store.get(cls, namespace, key)
        if verb == "list":
            return await store.list(cls, namespace, prefix=key, after=more[0], limit=more[1])
        changes = store.watch(cls, namespace, after=more)
        async with asyncio.timeout(60):
            seen = [await anext(changes) for _ in range(count)]
        await changes.aclose()
        return seen
    except HomeportError as error:
        return type(error)


async def compare(real, calls):
    model = MemoryStore()
    try:
        for number, call in enumerate(calls):
            told = (number, call, model.revision, waiting_changes(model, call))
            assert await perform(real, *told) == await perform(model, *told), call
    finally:
        await real.close()


@settings(max_examples=60, deadline=None)
@given(calls=st.lists(CALL, max_size=14))
def test_sqlite_answers_as_the_model_does(calls):
    async def run():
        with tempfile.TemporaryDirectory() as folder:
            await compare(await SqliteStore.open(Options(Path(folder) / "state.db")), calls)

    asyncio.run(run())


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(calls=st.lists(CALL, max_size=14))
def test_postgresql_answers_as_the_model_does(database, calls):
    async def run():
        options = PostgresOptions(database, schema=f"Homeport {next(COUNT)}")
        await compare(await PostgresStore.open(options), calls)

    asyncio.run(run())

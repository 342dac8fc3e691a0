# SPDX-License-Identifier: Apache-2.0
"""What every Durable does. The fixture `durable` gives one that is not launched; the suite registers and launches."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from homeport.errors import Conflict, HomeportError, NotFound, Unavailable, UsageError
from homeport.interfaces.durable import Durable, Json, Saga, Steps, WorkflowState, WorkflowStatus

LONG = 60.0


class Ledger:
    """What really ran, in order."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def act(self, name: str, result: Json | None = None) -> Callable[[], Awaitable[Json]]:
        async def run() -> Json:
            self.lines.append(name)
            return result if result is not None else {"did": name}

        return run

    def fail(self, name: str, error: Exception) -> Callable[[], Awaitable[Json]]:
        async def run() -> Json:
            self.lines.append(name)
            raise error

        return run

    async def undo(self, result: Json) -> None:
        self.lines.append(f"undo {result['did']}")


async def ended(durable: Durable, saga: Saga, input: Json | None = None) -> WorkflowStatus:
    """Register, launch, start and wait."""
    durable.register("tried.v1", saga)
    await durable.launch()
    await durable.start("tried.v1", "wf_1", input or {})
    return await durable.wait("wf_1", LONG)


class DurableSuite:
    async def test_a_saga_runs_its_steps_in_order_and_its_result_can_be_read(self, durable: Durable) -> None:
        ledger = Ledger()

        async def saga(steps: Steps, input: Json) -> Json:
            first = await steps.step("a", ledger.act("a", {"n": input["n"] + 1}))
            await steps.step("b", ledger.act("b"))
            return {"n": first["n"], "id": steps.id}

        status = await ended(durable, saga, {"n": 1, "text": 'snow ☃ "quoted"'})
        assert status == WorkflowStatus(
            "wf_1", "tried.v1", WorkflowState.SUCCEEDED, {"n": 1, "text": 'snow ☃ "quoted"'}, {"n": 2, "id": "wf_1"}
        )
        assert ledger.lines == ["a", "b"]
        assert await durable.status("wf_1") == status

    async def test_starting_the_same_id_again_leaves_the_first_alone(self, durable: Durable) -> None:
        ledger, go = Ledger(), asyncio.Event()

        async def saga(steps: Steps, input: Json) -> Json:
            async def act() -> Json:
                ledger.lines.append(input["by"])
                await go.wait()
                return {}

            return await steps.step("a", act)

        durable.register("tried.v1", saga)
        await durable.launch()
        await durable.start("tried.v1", "wf_1", {"by": "first"})
        await durable.start("tried.v1", "wf_1", {"by": "second"})
        go.set()
        await durable.wait("wf_1", LONG)
        await durable.start("tried.v1", "wf_1", {"by": "third"})
        assert (await durable.wait("wf_1", LONG)).input == {"by": "first"}
        assert ledger.lines == ["first"]

    async def test_a_failed_step_undoes_the_finished_ones_in_reverse_and_keeps_its_error(
        self, durable: Durable
    ) -> None:
        ledger = Ledger()

        async def saga(steps: Steps, input: Json) -> Json:
            await steps.step("a", ledger.act("a"), undo=ledger.undo)
            await steps.step("plain", ledger.act("plain"))
            await steps.step("b", ledger.act("b"), undo=ledger.undo)
            problem = Unavailable("the cloud is away", operation="create", subject="m1", hint="wait")
            await steps.step("c", ledger.fail("c", problem), undo=ledger.undo)
            return {}

        status = await ended(durable, saga)
        assert status.state is WorkflowState.FAILED and status.result is None
        assert status.error == Unavailable("the cloud is away", operation="create", subject="m1", hint="wait").to_dict()
        assert ledger.lines == ["a", "plain", "b", "c", "undo b", "undo a"]

    async def test_a_saga_may_catch_the_error_of_a_step_by_its_class(self, durable: Durable) -> None:
        ledger = Ledger()

        async def saga(steps: Steps, input: Json) -> Json:
            await steps.step("a", ledger.act("a"), undo=ledger.undo)
            try:
                await steps.step("b", ledger.fail("b", Unavailable("away")))
            except Unavailable as error:
                return {"instead": error.message}
            return {}

        assert (await ended(durable, saga)).result == {"instead": "away"}
        assert ledger.lines == ["a", "b"]

    async def test_an_unexpected_error_is_named_by_its_class_and_quotes_nothing(self, durable: Durable) -> None:
        ledger = Ledger()

        async def saga(steps: Steps, input: Json) -> Json:
            await steps.step("a", ledger.act("a"), undo=ledger.undo)
            await steps.step("b", ledger.fail("b", ValueError("token hunter2")))
            return {}

        status = await ended(durable, saga)
        assert status.error is not None and "ValueError" in str(status.error["message"])
        assert "hunter2" not in str(status.error)
        assert ledger.lines == ["a", "b", "undo a"]

    async def test_a_failing_undo_is_tried_again_reported_and_does_not_stop_the_rest(self, durable: Durable) -> None:
        ledger = Ledger()

        async def stuck(result: Json) -> None:
            ledger.lines.append("stuck")
            raise Unavailable("cannot reach it")

        async def saga(steps: Steps, input: Json) -> Json:
            await steps.step("a", ledger.act("a"), undo=ledger.undo)
            await steps.step("b", ledger.act("b"), undo=stuck)
            raise Conflict("too late")

        status = await ended(durable, saga)
        assert status.error is not None and status.error["type"] == "Conflict"
        assert status.error["message"] == "too late; and not undone: b: cannot reach it (Unavailable)"
        assert ledger.lines == ["a", "b", "stuck", "stuck", "stuck", "undo a"]

    async def test_cancelling_waits_for_the_step_under_way_then_undoes_it_too(self, durable: Durable) -> None:
        ledger, began, go = Ledger(), asyncio.Event(), asyncio.Event()

        async def saga(steps: Steps, input: Json) -> Json:
            async def act() -> Json:
                began.set()
                await go.wait()
                return {"did": "a"}

            await steps.step("a", act, undo=ledger.undo)
            await steps.step("b", ledger.act("b"), undo=ledger.undo)
            return {}

        durable.register("tried.v1", saga)
        await durable.launch()
        await durable.start("tried.v1", "wf_1", {})
        await asyncio.wait_for(began.wait(), LONG)
        await durable.cancel("wf_1")
        await durable.cancel("wf_1")
        go.set()
        status = await durable.wait("wf_1", LONG)
        assert status.state is WorkflowState.CANCELLED
        assert status.error is not None and status.error["type"] == "Interrupted"
        assert ledger.lines == ["undo a"]
        await durable.cancel("wf_1")
        assert await durable.status("wf_1") == status

    async def test_cancelling_wakes_a_saga_that_waits_for_a_message(self, durable: Durable) -> None:
        ledger = Ledger()

        async def saga(steps: Steps, input: Json) -> Json:
            await steps.step("a", ledger.act("a"), undo=ledger.undo)
            return await steps.receive("approval", 3600) or {}

        durable.register("tried.v1", saga)
        await durable.launch()
        await durable.start("tried.v1", "wf_1", {})
        await durable.cancel("wf_1")
        assert (await durable.wait("wf_1", LONG)).state is WorkflowState.CANCELLED
        assert ledger.lines in ([], ["a", "undo a"])

    async def test_messages_arrive_by_topic_in_order_and_once_per_key(self, durable: Durable) -> None:
        async def saga(steps: Steps, input: Json) -> Json:
            approvals = [await steps.receive("approval", LONG) for _ in range(2)]
            return {"got": [await steps.receive("other", LONG), *approvals, await steps.receive("approval", 0.1)]}

        durable.register("tried.v1", saga)
        await durable.launch()
        await durable.start("tried.v1", "wf_1", {})
        await durable.send("wf_1", "other", {"n": 0})
        for n, key in ((1, "k"), (2, "k"), (3, "")):
            await durable.send("wf_1", "approval", {"n": n}, key=key)
            await asyncio.sleep(0.01)
        assert (await durable.wait("wf_1", LONG)).result == {"got": [{"n": 0}, {"n": 1}, {"n": 3}, None]}

    async def test_a_wait_with_a_time_limit_returns_the_workflow_as_it_is(self, durable: Durable) -> None:
        async def saga(steps: Steps, input: Json) -> Json:
            return await steps.receive("never", 3600) or {}

        durable.register("tried.v1", saga)
        await durable.launch()
        await durable.start("tried.v1", "wf_1", {})
        assert (await durable.wait("wf_1", 0.1)).state is WorkflowState.PENDING

    async def test_what_is_not_there_is_said_to_be_not_there(self, durable: Durable) -> None:
        await durable.launch()
        assert await durable.status("wf_9") is None
        assert await durable.list() == []
        for question in (durable.wait("wf_9"), durable.cancel("wf_9"), durable.send("wf_9", "t", {})):
            with pytest.raises(NotFound):
                await question
        with pytest.raises(UsageError):
            await durable.start("nobody.v1", "wf_9", {})

    async def test_the_list_is_newest_first_and_can_be_narrowed_to_one_saga(self, durable: Durable) -> None:
        async def saga(steps: Steps, input: Json) -> Json:
            return {}

        durable.register("one.v1", saga)
        durable.register("two.v1", saga)
        await durable.launch()
        for n, name in enumerate(("one.v1", "two.v1", "one.v1")):
            await durable.start(name, f"wf_{n}", {})
            await durable.wait(f"wf_{n}", LONG)
            await asyncio.sleep(0.005)
        assert [status.id for status in await durable.list()] == ["wf_2", "wf_1", "wf_0"]
        assert [status.id for status in await durable.list(name="one.v1")] == ["wf_2", "wf_0"]
        assert [status.id for status in await durable.list(limit=1)] == ["wf_2"]

    async def test_pruning_forgets_what_has_ended_and_keeps_what_is_under_way(self, durable: Durable) -> None:
        async def saga(steps: Steps, input: Json) -> Json:
            return await steps.receive("go", 3600 if input["wait"] else 0) or {}

        durable.register("tried.v1", saga)
        await durable.launch()
        await durable.start("tried.v1", "wf_done", {"wait": False})
        await durable.start("tried.v1", "wf_open", {"wait": True})
        await durable.wait("wf_done", LONG)
        assert await durable.prune(3600) == 0
        await asyncio.sleep(0.01)
        assert await durable.prune(0) == 1
        assert [status.id for status in await durable.list()] == ["wf_open"]

    async def test_a_result_that_is_no_json_object_fails_the_step_and_undoes_the_rest(self, durable: Durable) -> None:
        ledger = Ledger()

        async def saga(steps: Steps, input: Json) -> Json:
            await steps.step("a", ledger.act("a"), undo=ledger.undo)
            await steps.step("b", ledger.act("b", {"bytes": b"no"}))
            return {}

        status = await ended(durable, saga)
        assert status.error is not None and "not JSON" in str(status.error["message"])
        assert ledger.lines == ["a", "b", "undo a"]

    async def test_sagas_are_registered_before_the_launch_and_once(self, durable: Durable) -> None:
        async def saga(steps: Steps, input: Json) -> Json:
            return {}

        durable.register("tried.v1", saga)
        with pytest.raises(Conflict):
            durable.register("tried.v1", saga)
        await durable.launch()
        with pytest.raises(HomeportError):
            durable.register("late.v1", saga)

    async def test_claiming_comes_before_the_launch_and_may_be_repeated(self, durable: Durable) -> None:
        durable.claim()
        durable.claim()
        await durable.launch()
        assert await durable.list() == []

    async def test_a_step_may_start_another_workflow_and_wait_for_it(self, durable: Durable) -> None:
        async def outer(steps: Steps, input: Json) -> Json:
            async def act() -> Json:
                await durable.start("inner.v1", "wf_inner", {"n": 2})
                return (await durable.wait("wf_inner", LONG)).result or {}

            return await steps.step("delegate", act)

        async def inner(steps: Steps, input: Json) -> Json:
            return {"n": input["n"] * 2}

        durable.register("inner.v1", inner)
        assert (await ended(durable, outer)).result == {"n": 4}

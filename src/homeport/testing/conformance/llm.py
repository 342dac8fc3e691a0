# SPDX-License-Identifier: Apache-2.0
"""What every LLM does. The fixture `llm` gives one that answers; `dead` one whose endpoint does not."""

from __future__ import annotations

import asyncio

from homeport.interfaces.llm import LLM
from homeport.model.advice import Decision, Question
from homeport.model.answerschema import answer_schema, fit


def question(decision: Decision, name: str, schema: dict[str, object], instructions: str) -> Question:
    extracts = ("the beginning of README.md:\nTraining takes two days on one GPU of 16 GB.",)
    return Question(decision, instructions, extracts, answer_schema({name: schema}))


MACHINE = question(
    Decision.MACHINE, "node_type", {"type": "string", "enum": ["linode/small", "linode/gpu"]}, "Choose a machine."
)
HOURS = question(
    Decision.HOURS, "duration_hours", {"type": ["number", "null"], "minimum": 6, "maximum": 96},
    "For how many hours is a machine wanted? Null leaves it as it is.",
)  # fmt: skip


class LLMSuite:
    async def test_an_answer_fits_the_question(self, llm: LLM) -> None:
        answer = await llm.ask(MACHINE)
        assert answer.trouble == ""
        assert answer.value == fit(answer.value, MACHINE.schema)

    async def test_what_is_out_of_bounds_is_trouble(self, llm: LLM) -> None:
        """A number is in its bounds or it is not answered, whatever the model thinks of that."""
        answer = await llm.ask(HOURS)
        assert (answer.value is None) == bool(answer.trouble)
        assert answer.value is None or answer.value == fit(answer.value, HOURS.schema)

    async def test_tokens_are_counted(self, llm: LLM) -> None:
        answer = await llm.ask(HOURS)
        assert answer.tokens_in > 0 and answer.tokens_out > 0

    async def test_it_says_its_name(self, llm: LLM) -> None:
        assert llm.name and llm.name.isprintable()

    async def test_questions_may_be_asked_at_once(self, llm: LLM) -> None:
        """From the first one on. What was opened for either is closed."""
        answers = await asyncio.gather(llm.ask(MACHINE), llm.ask(MACHINE))
        assert [answer.trouble for answer in answers] == ["", ""]

    async def test_a_dead_one_answers_with_its_trouble(self, dead: LLM) -> None:
        answer = await dead.ask(HOURS)
        assert answer.value is None
        assert answer.gone
        assert answer.trouble and "\n" not in answer.trouble

    async def test_closing_twice_is_closing(self, llm: LLM) -> None:
        await llm.ask(HOURS)
        await llm.close()
        await llm.close()

    async def test_closing_one_that_was_never_asked_is_fine(self, llm: LLM) -> None:
        await llm.close()

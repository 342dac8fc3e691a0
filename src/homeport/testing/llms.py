# SPDX-License-Identifier: Apache-2.0
"""A model whose answers a test writes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from homeport.model.advice import Answer, Question
from homeport.model.answerschema import fit


class FakeLLM:
    """`answers` by the decision's name: a value, or an `Answer` as it is. What has none is answered with nulls.

    `asked` has the questions, in order.
    """

    def __init__(self, answers: Mapping[str, dict[str, Any] | Answer] | None = None, *, name: str = "fake") -> None:
        self.name = name
        self.answers = dict(answers or {})
        self.asked: list[Question] = []
        self.closed = False

    async def ask(self, question: Question) -> Answer:
        self.asked.append(question)
        answer = self.answers.get(str(question.decision), {})
        if isinstance(answer, Answer):
            return answer
        value = {"reasoning": "because", "special_requirements": [], **answer}
        try:
            return Answer(fit(value, question.schema), "", 100, 20)
        except ValueError as error:
            return Answer(trouble=str(error), tokens_in=100, tokens_out=20)

    async def close(self) -> None:
        self.closed = True

# SPDX-License-Identifier: Apache-2.0
"""A model's advice on a plan: what is asked, in which order, until when, and what came of it.

The deterministic answer stands wherever the model has none of use. Ctrl-C ends a question at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from homeport.analyze.advice import ask_requirements, settle_requirements
from homeport.app.compose import made
from homeport.errors import NoCapacity, UsageError
from homeport.interfaces.llm import LLM
from homeport.model.advice import Advised, Answer, Decision, Pick, Question
from homeport.model.limits import Limits
from homeport.model.plan import Offer, Plan
from homeport.model.requirements import Requirements
from homeport.model.systemimage import SystemImage
from homeport.plan import advice, apply_overrides
from homeport.settings import Settings

TOTAL_S = 45.0
"""For all questions about one source together."""
BY = "llm"


def open_llm(settings: Settings) -> LLM:
    """The model that the settings name. Close it. Raises `UsageError` saying what is missing.

    Nothing is sent to an endpoint that nobody named: its address or a key has to be given.
    """
    if not settings.llm_base_url and not settings.llm_api_key:
        raise UsageError(
            "no model is set up to be asked", operation="plan", subject="--llm",
            hint="set OPENAI_BASE_URL=https://HOST/v1 and OPENAI_MODEL=NAME, and OPENAI_API_KEY if it takes a key",
        )  # fmt: skip
    llm: LLM = made("llm", "openai", model=settings.llm_model, base_url=settings.llm_base_url, key=settings.llm_api_key)
    return llm


@dataclass(frozen=True, slots=True)
class Report:
    """What asking cost and did. `changes` are for `Plan.advised`, `warnings` for its warnings, a sentence each."""

    model: str
    questions: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    estimated: bool = False
    changes: tuple[Advised, ...] = ()
    warnings: tuple[str, ...] = ()

    def __str__(self) -> str:
        about = "about " if self.estimated else ""
        asked = f"{self.model} was asked {self.questions} question{'' if self.questions == 1 else 's'}"
        return f"{asked}: {about}{self.tokens_in} tokens in, {self.tokens_out} out; {len(self.changes)} values moved"


class Adviser:
    """Asks one model about one source; `report` is what came of it so far.

    `async with Adviser(open_llm(settings)) as adviser:` closes the model. `total_s` seconds begin with the first
    question. After a question that got no answer at all, no other is asked.
    """

    def __init__(self, llm: LLM, *, total_s: float = TOTAL_S) -> None:
        self._llm = llm
        self._left = total_s
        self._gone = False
        self.report = Report(llm.name)

    async def __aenter__(self) -> Adviser:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._llm.close()

    async def requirements(
        self,
        found: Requirements,
        extracts: Sequence[str],
        *,
        overrides: Mapping[str, str] | None = None,
        systems: Sequence[SystemImage] = (),
    ) -> Requirements:
        """What was found, with what the model moves. What `overrides` sets is not asked.

        `extracts`: `analyze.extracts.extracts_of` of the view. `systems`: the images there are.
        """
        stated = apply_overrides(found, overrides or {})
        question = self._worth(ask_requirements(stated, extracts, systems=systems))
        if question is None:
            return found
        answer = await self._ask(question)
        settled, changes, trouble = settle_requirements(found, question, answer)
        self._note(question.decision, changes, trouble)
        return settled

    def weigh(
        self, found: Requirements, moved: Requirements, make: Callable[[Requirements], Plan]
    ) -> tuple[Requirements, Plan]:
        """What the model moved, and the plan that `make` makes of it; what was found where that leaves no machine.

        A plan that costs more for it says so. Raises what `make` raises of what was found.
        """
        if moved == found:
            return found, make(found)
        try:
            plan = make(moved)
        except NoCapacity:
            plain = make(found)
            self.report = replace(self.report, changes=())
            self._note(Decision.REQUIREMENTS, (), "with what it moves, no machine on offer will do")
            return found, plain
        try:
            plain = make(found)
        except NoCapacity:
            return moved, plan
        same_unit = plan.total.currency == plain.total.currency or not plain.total.micros
        if plan.total.micros and (not same_unit or plan.total.micros > plain.total.micros):
            more = f"with what {self._llm.name} moved it costs {plan.total}, without it {plain.total}"
            self.report = replace(self.report, warnings=(*self.report.warnings, more))
        return moved, plan

    async def pick(
        self,
        plan: Plan,
        fitting: Sequence[Offer],
        images: Sequence[SystemImage],
        *,
        limits: Limits = Limits(),
        extracts: Sequence[str] = (),
        hours_given: bool = False,
    ) -> Pick:
        """What the model chooses where `plan`, made without it, leaves a choice; an empty pick where nothing.

        `fitting`: what will do within `limits`, the best first. `hours_given`: the user said for how long.
        """
        machine, why = await self._machine(plan, fitting)
        offer = machine or plan.chosen
        hours = None if hours_given else await self._hours(plan, offer, limits, extracts, why)
        names, image = await self._image(plan, offer, images, why)
        if machine is None and hours is None and not names and not image:
            return Pick()
        return Pick(BY, machine.place if machine else None, names, image, hours, why)

    async def _machine(self, plan: Plan, fitting: Sequence[Offer]) -> tuple[Offer | None, dict[str, str]]:
        machines = advice.choosable(plan, fitting)
        question = self._worth(advice.ask_machine(plan, machines))
        if question is None:
            return None, {}
        settled = advice.settle_machine(machines, question, await self._ask(question))
        offer: Offer | None = settled.value
        if not self._moved(question.decision, settled, plan.chosen.path, offer.path if offer else None):
            return None, {}
        return offer, {str(Decision.MACHINE): settled.why}

    async def _hours(
        self, plan: Plan, offer: Offer, limits: Limits, extracts: Sequence[str], why: dict[str, str]
    ) -> float | None:
        question = self._worth(advice.ask_hours(plan, offer, limits, extracts))
        if question is None:
            return None
        settled = advice.settle_hours(question, await self._ask(question))
        hours: float | None = settled.value
        if not self._moved(question.decision, settled, f"{plan.hours:g} h", None if hours is None else f"{hours:g} h"):
            return None
        why[str(Decision.HOURS)] = settled.why
        return hours

    async def _image(
        self, plan: Plan, offer: Offer, images: Sequence[SystemImage], why: dict[str, str]
    ) -> tuple[tuple[str, ...], str]:
        """Both stages: names of candidates, () for the planner's own, and one of them, "" for the first."""
        own = advice.own_images(plan, offer, images)
        possible = advice.possible_images(plan, offer, images, own)
        names: tuple[str, ...] = ()
        if question := self._worth(advice.ask_images(plan, offer, possible, own)):
            settled = advice.settle_images(question, await self._ask(question))
            if self._moved(question.decision, settled, ", ".join(own), settled.value and ", ".join(settled.value)):
                names = settled.value
                why[str(Decision.IMAGES)] = settled.why
        first = next(iter(own), "")
        kept = tuple(dict.fromkeys((first, *names)))[: advice.CANDIDATES] if names else tuple(own)
        if question := self._worth(advice.ask_image(plan, offer, {name: possible[name] for name in kept})):
            settled = advice.settle_image(question, await self._ask(question))
            if self._moved(question.decision, settled, first, settled.value):
                why[str(Decision.IMAGE)] = settled.why
                return names, settled.value
        return names, ""

    def _worth(self, question: Question | None) -> Question | None:
        """None too where nobody would answer."""
        return None if self._gone or self._left <= 0 else question

    async def _ask(self, question: Question) -> Answer:
        """Within what is left of the time for all questions."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        try:
            async with asyncio.timeout(self._left):
                answer = await self._llm.ask(question)
        except TimeoutError:
            answer = Answer(trouble="the time for all questions is over", gone=True)
        self._left -= loop.time() - begun
        self._gone = answer.gone
        report = self.report
        self.report = replace(
            report, questions=report.questions + 1, tokens_in=report.tokens_in + answer.tokens_in,
            tokens_out=report.tokens_out + answer.tokens_out, estimated=report.estimated or answer.estimated,
        )  # fmt: skip
        return answer

    def _moved(self, decision: Decision, settled: advice.Settled, was: str, became: str | None) -> bool:
        """Whether there is something to follow; noted either way."""
        moved = became is not None and became != was
        changes = (Advised(decision, str(decision), was, became, settled.why),) if moved and became else ()
        self._note(decision, changes, settled.trouble)
        return moved

    def _note(self, decision: Decision, changes: Sequence[Advised], trouble: str) -> None:
        warnings = self.report.warnings
        if trouble:
            no_more = "; it is not asked again" if self._gone else ""
            warnings += (f"{self._llm.name} was not followed about {decision}: {trouble}{no_more}",)
        self.report = replace(self.report, changes=(*self.report.changes, *changes), warnings=warnings)

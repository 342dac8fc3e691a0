# SPDX-License-Identifier: Apache-2.0
"""Extensions at work: choices among offers that will do, and what is called around a launch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from homeport.app.extensions.calling import LIMIT_S, Outcome, call
from homeport.app.extensions.seednames import chosen_by_name, requirements_as_values
from homeport.errors import HomeportError, UsageError
from homeport.model.advice import Pick
from homeport.model.plan import Offer, Plan
from homeport.model.requirements import Requirements

NONE = "none"
"""As the name of a selector: nobody but the ranking chooses."""


@dataclass(frozen=True, slots=True)
class Extension:
    """`functions` by the name they go by in `interfaces.extension`."""

    name: str
    file: str
    functions: Mapping[str, Callable[..., Any]]

    @property
    def selects(self) -> bool:
        return bool(self.functions.keys() & {"select", "select_node_type"})


@dataclass(frozen=True, slots=True)
class Extensions:
    """`troubles` are warnings about those that could not be loaded; `missing` those of them that may say no."""

    loaded: tuple[Extension, ...] = ()
    troubles: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    limit_s: float = LIMIT_S

    def choose(
        self, requirements: Requirements, fitting: Sequence[Offer], *, only: str = ""
    ) -> tuple[tuple[Pick, ...], tuple[str, ...]]:
        """What selectors choose, in the order in which they are to be followed; and warnings.

        `fitting` are the offers that will do, inside the limits, in the ranking's order. `only` names the one
        selector to ask; "none" asks nobody. Raises `UsageError` where there is no such selector.
        """
        asked = self._selectors(only)
        picks: list[Pick] = []
        warnings: list[str] = []
        for one in asked if fitting else ():
            offer, trouble = self._ask(one, requirements, tuple(fitting))
            if trouble:
                warnings.append(f"selector {one.name} is not followed: {trouble}")
            if offer is not None:
                picks.append(Pick(by=f"selector {one.name}", machine=offer.place))
        return tuple(picks), tuple(warnings)

    def before_launch(self, plan: Plan) -> None:
        """Every hook agrees. Raises `HomeportError` with the reason of the first that does not: nothing was spent.

        A hook that may say no but cannot be loaded does not agree.
        """
        told = facts(plan)
        if self.missing:
            raise HomeportError(
                f"{self.missing[0]}\nit may say no to a launch, and cannot be asked",
                operation="launch", subject=plan.name, hint="mend it or remove it; see: homeport doctor",
            )  # fmt: skip
        for one in self.loaded:
            for name in ("before_launch", "pre_launch_hook"):
                values = (told,) if name == "before_launch" else (told["server_name"], told["image_id"])
                outcome = self._call(one, name, *values)
                if outcome.trouble:
                    raise HomeportError(
                        f"hook {one.name} stops the launch: {outcome.trouble}",
                        operation="launch", subject=plan.name, hint=f"nothing was spent; the hook is in {one.file}",
                    )  # fmt: skip

    def after_launch(self, plan: Plan, **found: Any) -> tuple[str, ...]:
        """Tell every hook that the machine is there, then that the agent answers; returns warnings.

        `found` is what is known now and was not when it was planned: `server_id`, `floating_ip`, `url` and so on.
        """
        told = facts(plan, **found)
        warnings: list[str] = []
        for names in (("after_launch", "post_launch_hook"), ("on_ready", "on_server_ready")):
            for one in self.loaded:
                for name in names:
                    values = (told["server_id"], told["floating_ip"]) if name == "post_launch_hook" else (told,)
                    outcome = self._call(one, name, *values)
                    if outcome.trouble:
                        warnings.append(f"hook {one.name}: {name}: {outcome.trouble}")
        return tuple(warnings)

    def _selectors(self, only: str) -> list[Extension]:
        known = [one for one in self.loaded if one.selects]
        if only in ("", NONE):
            return [] if only else known
        if found := [one for one in known if one.name == only]:
            return found
        names = ", ".join(dict.fromkeys([*(one.name for one in known), NONE]))
        why = "".join(f"\n{one}" for one in self.troubles if one.startswith(f"extension {only} "))
        raise UsageError(f"no selector {only!r}{why}", operation="plan", subject=only, hint=f"choose one of: {names}")

    def _ask(self, one: Extension, requirements: Requirements, fitting: tuple[Offer, ...]) -> tuple[Offer | None, str]:
        if "select" in one.functions:
            outcome = self._call(one, "select", requirements, fitting)
        else:
            outcome = self._call(one, "select_node_type", requirements_as_values(requirements))
        if outcome.trouble or outcome.value is None:
            return None, outcome.trouble
        chosen = outcome.value if isinstance(outcome.value, Offer) else chosen_by_name(outcome.value, fitting)
        if chosen in fitting:
            return chosen, ""
        return None, f"it chose {_shown(outcome.value)}, which is not among the {len(fitting)} machines that will do"

    def _call(self, one: Extension, name: str, *args: Any) -> Outcome:
        """Nothing where it has no such function. Values that are dicts are its own to change."""
        if name not in one.functions:
            return Outcome()
        values = [dict(arg) if isinstance(arg, dict) else arg for arg in args]
        return call(one.functions[name], *values, file=one.file, limit_s=self.limit_s)


def facts(plan: Plan, **found: Any) -> dict[str, Any]:
    """What hooks are told: the result record of EnvAgent-plus, and the plan's own. What is not known is None."""
    image = plan.image.image if plan.image else None
    container = plan.requirements.image.value if plan.requirements.image else None
    return {
        "server_name": plan.name,
        "server_id": None,
        "lease_id": None,
        "reservation_id": None,
        "floating_ip": None,
        "image_name": image.name if image else container,
        "image_id": (image.id or image.name) if image else container,
        "node_type": plan.chosen.machine_type,
        "key_name": plan.key or None,
        "network_id": plan.network or None,
        "plan_id": plan.id,
        "target": plan.chosen.cloud,
        "site": plan.chosen.region,
        "hours": plan.hours,
        "cost": str(plan.total),
        "source": plan.source.locator,
        "url": None,
        **found,
    }


def _shown(value: object) -> str:
    if isinstance(value, Offer):
        return f"{value.cloud} {value.region} {value.machine_type}"
    return repr(value)[:80] if isinstance(value, str | tuple | list) else f"a value of type {type(value).__name__}"

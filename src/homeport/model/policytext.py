# SPDX-License-Identifier: Apache-2.0
"""A delivery policy as its author writes it, in `homeport.yaml` or an agents file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from homeport.model import quantity
from homeport.model.workload import Backoff, DeliveryPolicy, Durability, RetryPolicy

MOST_AT_ONCE, MOST_WAITING, MOST_ATTEMPTS = 1024, 1_000_000, 100
_TRUE, _FALSE = ("true", "yes", "on"), ("false", "no", "off")


def delivery_policy(value: object) -> DeliveryPolicy:
    """From a mapping of plain values. Raises `ValueError` naming the key that is wrong."""
    given: dict[str, Any] = {}
    for name, one in _entries(value, ("ordered", "concurrency", "queue", "durability", "retry")).items():
        if name == "ordered":
            given[name] = _truth(name, one)
        elif name == "concurrency":
            given[name] = _count(name, one, 1, MOST_AT_ONCE)
        elif name == "queue":
            given[name] = _count(name, one, 0, MOST_WAITING)
        elif name == "durability":
            given[name] = _named(name, _durability, one)
        else:
            given[name] = _retry(one)
    if given.get("ordered") and given.get("concurrency", 1) != 1:
        raise ValueError("concurrency: an ordered agent gets one request at a time")
    return DeliveryPolicy(**given)


def backoff(value: object) -> Backoff:
    if not isinstance(value, str) or value not in set(Backoff):
        raise ValueError("expected exponential, linear or fixed")
    return Backoff(value)


def _durability(value: object) -> Durability:
    if not isinstance(value, str) or value not in set(Durability):
        raise ValueError("expected full or relaxed")
    return Durability(value)


def _retry(value: object) -> RetryPolicy:
    if isinstance(value, str):
        return RetryPolicy(kind=_named("retry", backoff, value))
    usual, given = RetryPolicy(), dict[str, Any]()
    for name, one in _entries(value, ("kind", "attempts", "delay", "maxDelay", "deadline", "statuses")).items():
        if name == "kind":
            given["kind"] = _named("retry.kind", backoff, one)
        elif name == "attempts":
            given["attempts"] = _count("retry.attempts", one, 1, MOST_ATTEMPTS)
        elif name == "statuses":
            given["statuses"] = _statuses(one)
        else:
            given["max_delay" if name == "maxDelay" else name] = _named(f"retry.{name}", quantity.seconds, one)
    delay = given.get("delay", usual.delay)
    if given.setdefault("max_delay", max(usual.max_delay, delay)) < delay:
        raise ValueError("retry.maxDelay: it is shorter than the delay")
    return RetryPolicy(**given)


def _statuses(value: object) -> tuple[int, ...]:
    """By which an agent may say "not done": none of the 2xx and 3xx, and at most 20."""
    many = value if isinstance(value, list) else [value]
    if len(many) > 20:
        raise ValueError("retry.statuses: at most 20 of them")
    return tuple(sorted({_count("retry.statuses", one, 400, 599) for one in many}))


def _entries(value: object, keys: tuple[str, ...]) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise ValueError(f"expected a mapping of {', '.join(keys)}")
    for name in value:
        if name not in keys:
            raise ValueError(f"unknown key {str(name)[:60]!r}; known are {', '.join(keys)}")
    return value


def _named(name: str, read: Any, value: object) -> Any:
    try:
        return read(value)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def _count(name: str, value: object, least: int, most: int) -> int:
    text = "" if isinstance(value, bool) else str(value)
    if not re.fullmatch(r"[0-9]{1,7}", text, re.A) or not least <= int(text) <= most:
        raise ValueError(f"{name}: expected a whole number from {least} to {most}")
    return int(text)


def _truth(name: str, value: object) -> bool:
    text = str(value).lower()
    if text not in (*_TRUE, *_FALSE):
        raise ValueError(f"{name}: expected true or false")
    return text in _TRUE

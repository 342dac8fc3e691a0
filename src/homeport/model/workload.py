# SPDX-License-Identifier: Apache-2.0
"""What runs: the part of a plan that a runtime needs."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Delivery(StrEnum):
    """What may happen to a request whose agent died before it answered.

    EXACT_OR_DEAD: resent only if its method is idempotent or its key is honoured; otherwise a dead letter.
    AT_LEAST_ONCE: the agent declares that a repeat does no harm; always resent.
    """

    EXACT_OR_DEAD = "exact-or-dead"
    AT_LEAST_ONCE = "at-least-once"


@dataclass(frozen=True, slots=True)
class Limits:
    """0 means no limit. Which of them are enforced depends on the machine: see `Runtime.confinement`."""

    memory_bytes: int = 512 * 1024 * 1024
    cpus: float = 0.0
    pids: int = 256
    open_files: int = 1024
    log_bytes: int = 10 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """GET `path` on the port: 2xx and 3xx are healthy; path "" asks only that something listens. Seconds throughout."""

    path: str = "/health"
    interval: float = 10.0
    timeout: float = 5.0
    retries: int = 3
    start_period: float = 60.0


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """Restart after an exit or lost health, with exponential backoff between `delay` and `max_delay` seconds.

    More than `max_restarts` failures with no healthy stretch of `window` seconds between them are a crash loop:
    restarts stop, the agent is `crashed` until somebody starts it.
    """

    enabled: bool = True
    max_restarts: int = 5
    window: float = 60.0
    delay: float = 0.1
    max_delay: float = 30.0


class Backoff(StrEnum):
    """How the wait before the next attempt grows: not at all, by `delay` each time, or doubling."""

    FIXED = "fixed"
    LINEAR = "linear"
    EXPONENTIAL = "exponential"


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """When a request that may be sent again is, and how often. Seconds throughout.

    `attempts` counts the first one. The wait begins with `delay`, grows up to `max_delay`, and up to half of it is left
    to chance. `deadline` is how long after its acceptance a request is still tried again; 0: for ever.
    `statuses` are those by which the agent says "not done, try again"; any other is its answer.
    """

    kind: Backoff = Backoff.EXPONENTIAL
    attempts: int = 5
    delay: float = 0.05
    max_delay: float = 5.0
    deadline: float = 0.0
    statuses: tuple[int, ...] = ()


class Durability(StrEnum):
    """FULL: on disk before it is forwarded. RELAXED: forwarded at once, on disk a few milliseconds later."""

    FULL = "full"
    RELAXED = "relaxed"


@dataclass(frozen=True, slots=True)
class DeliveryPolicy:
    """`concurrency` is how many requests it takes at once, `queue` how many may wait for it; 0: any number.

    `ordered`: one at a time, in the order of acceptance. `durability` is of requests without an idempotency key that
    go to the agent at once; all others are on disk first.
    """

    retry: RetryPolicy = RetryPolicy()
    ordered: bool = False
    concurrency: int = 16
    queue: int = 0
    durability: Durability = Durability.FULL


USUAL_POLICY = DeliveryPolicy()


@dataclass(frozen=True, slots=True)
class Workload:
    """One agent's program. `code` is a folder, read-only to the agent; relative to the folder of all agents where it
    is recorded, so that the record holds on every machine, and absolute for a runtime.

    With an `image` (an id or digest, never a tag that may move) the program and its files are in the image, `code` is
    "" and an empty `start` means the image's own command. `runtime` names the driver that runs it.

    `env` holds no secret: those are named in `secrets` and resolved when the instance starts.
    """

    start: tuple[str, ...]
    code: str
    port: int
    ecosystem: str = "python"
    env: dict[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    limits: Limits = Limits()
    health: HealthCheck = HealthCheck()
    restart: RestartPolicy = RestartPolicy()
    delivery: Delivery = Delivery.EXACT_OR_DEAD
    honours_keys: bool = False
    stop_grace: float = 10.0
    concurrency: int = 16
    network: bool = False
    image: str = ""
    runtime: str = "process"
    policy: DeliveryPolicy = USUAL_POLICY

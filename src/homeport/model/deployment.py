# SPDX-License-Identifier: Apache-2.0
"""One run of the whole flow: what `up` and `deploy` follow."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from homeport.model.codec import stored_as


class DeploymentState(StrEnum):
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


@stored_as("deployment")
@dataclass(frozen=True, slots=True)
class Deployment:
    """`step` is the step under way or last done; `error` is `HomeportError.to_dict` of what ended it."""

    id: str
    namespace: str
    name: str
    plan: str
    state: DeploymentState
    step: str = ""
    agent: str = ""
    error: dict[str, str | bool] | None = None
    created_at_us: int = 0
    changed_at_us: int = 0

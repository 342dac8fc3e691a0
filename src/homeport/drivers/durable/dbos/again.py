# SPDX-License-Identifier: Apache-2.0
"""A second chance, in this process, for workflows whose records could not be written."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from functools import partial
from typing import TYPE_CHECKING

from homeport.errors import HomeportError

if TYPE_CHECKING:
    from dbos import DBOS

log = logging.getLogger(__name__)
UNDER_WAY = frozenset({"PENDING", "ENQUEUED", "DELAYED"})
"""States of DBOS in which a workflow has not ended."""
PAUSE = 2.0
"""Seconds before an attempt: long enough for room to be made or a server to come back, short enough to wait for."""


class Again:
    """Parked workflows stay under way in the database. Those whose database failed are queued again after a pause;
    the others (a saga that changed under its name) wait for the next launch, which may know them. On DBOS's loop."""

    def __init__(self, dbos: type[DBOS]) -> None:
        self._dbos = dbos
        self._tasks: set[asyncio.Task[None]] = set()

    def parked(self, workflow_id: str, problem: Exception) -> None:
        from sqlalchemy.exc import SQLAlchemyError

        away = isinstance(problem, HomeportError)  # known well: where it was raised is of no interest
        told = f": {problem}" if away else ""
        log.error(
            "workflow %s is parked: its records cannot be read or written%s", workflow_id, told,
            exc_info=None if away else problem,
        )  # fmt: skip
        if isinstance(problem, SQLAlchemyError) or getattr(problem, "retry", False):
            self._later(workflow_id)

    def ended(self, workflow_id: str) -> None:
        """DBOS is about to write its result. Where that fails it would be under way for ever: it is looked at again."""
        self._later(workflow_id)

    def _later(self, workflow_id: str) -> None:
        # In an empty context: this must not run as a part of the workflow.
        task = asyncio.get_running_loop().create_task(self._resume(workflow_id), context=contextvars.Context())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _resume(self, workflow_id: str) -> None:
        look = partial(self._dbos.list_workflows_async, workflow_ids=[workflow_id], load_input=False, load_output=False)
        while True:
            await asyncio.sleep(PAUSE)
            try:
                if any(row.status in UNDER_WAY for row in await look()):
                    await self._dbos.resume_workflow_async(workflow_id)
            except Exception as problem:
                log.info("workflow %s is looked at again soon: %s", workflow_id, problem)
            else:
                return

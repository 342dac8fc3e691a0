# SPDX-License-Identifier: Apache-2.0
"""A second chance, in this process, for workflows whose records could not be written."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dbos import DBOS

log = logging.getLogger(__name__)
PAUSE = 5.0
"""Seconds between two attempts: long enough for somebody to make room on the disk, short enough to wait for."""


class Again:
    """Parked workflows stay under way in the database. Those whose database failed are queued again after a pause;
    the others (a saga that changed under its name) wait for the next launch, which may know them. On DBOS's loop."""

    def __init__(self, dbos: type[DBOS]) -> None:
        self._dbos = dbos
        self._tasks: set[asyncio.Task[None]] = set()

    def parked(self, workflow_id: str, problem: Exception) -> None:
        from sqlalchemy.exc import SQLAlchemyError

        log.error("workflow %s is parked: its records cannot be read or written", workflow_id, exc_info=problem)
        if isinstance(problem, SQLAlchemyError) or getattr(problem, "retry", False):
            # In an empty context: this must not run as a part of the workflow.
            loop = asyncio.get_running_loop()
            task = loop.create_task(self._resume(workflow_id), context=contextvars.Context())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _resume(self, workflow_id: str) -> None:
        while True:
            await asyncio.sleep(PAUSE)
            try:
                await self._dbos.resume_workflow_async(workflow_id)
            except Exception as problem:
                log.warning("workflow %s still cannot go on: %s", workflow_id, type(problem).__name__)
            else:
                return

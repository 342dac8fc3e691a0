# SPDX-License-Identifier: Apache-2.0
"""Our own logs: one line an event on stderr, secrets masked, in the form that the settings ask for."""

from __future__ import annotations

import logging
import sys

import structlog

from homeport.model.redaction import log_redactor
from homeport.settings import Settings


def configure(settings: Settings) -> None:
    """For this process; the keeper keeps what is written in paths.logs."""
    level = logging.getLevelNamesMapping().get(settings.log_level.upper(), logging.INFO)
    last: dict[str, structlog.typing.Processor] = {
        "json": structlog.processors.JSONRenderer(),
        "kv": structlog.processors.LogfmtRenderer(bool_as_flag=False),
    }
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            log_redactor(),  # type: ignore[list-item]  # its dict is the mapping that structlog passes
            last.get(settings.log_format, structlog.dev.ConsoleRenderer(colors=False)),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(
        stream=sys.stderr, level=max(level, logging.WARNING), format="%(levelname)s %(name)s %(message)s"
    )

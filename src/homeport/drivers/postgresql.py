# SPDX-License-Identifier: Apache-2.0
"""Connections to PostgreSQL whose every wait has an end. Imported by those who have a database to connect to only."""

from __future__ import annotations

from typing import Any

import psycopg

from homeport.model.database import without_passwords

CONNECT_S = 5
ANSWER_S = 15.0
"""A server that has not answered a statement for so long is taken for gone: it hangs, or the network lost it."""


class Bounded(psycopg.Connection[Any]):
    """Gives up on a server that does not answer within `answer_s`, and on itself: nobody knows what it is at."""

    answer_s = ANSWER_S

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        try:
            return super().wait(gen, interval, self.answer_s if timeout is None else timeout)
        except psycopg.errors._WaitTimeout:
            self.pgconn.finish()
            raise psycopg.OperationalError(f"no answer within {self.answer_s:g} s") from None


def connect(
    url: str, what: str, *, connect_s: int | None = None, answer_s: float | None = None, autocommit: bool = False
) -> Bounded:
    """`what` is told to the server as `homeport WHAT`; seconds are those above. Raises what psycopg raises."""
    answer_s = ANSWER_S if answer_s is None else answer_s
    connection = Bounded.connect(
        url, application_name=f"homeport {what}", connect_timeout=connect_s or CONNECT_S, client_encoding="utf8",
        keepalives_idle=5, keepalives_interval=3, keepalives_count=3, tcp_user_timeout=int(answer_s * 1000),
        autocommit=autocommit,
    )  # fmt: skip
    connection.answer_s = answer_s
    return connection


def said(problem: BaseException, url: str) -> str:
    """What went wrong in the server's words about itself: the first line, which holds no value of ours."""
    return without_passwords(str(problem), url).strip().split("\n", 1)[0] or type(problem).__name__

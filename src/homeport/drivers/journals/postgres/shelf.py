# SPDX-License-Identifier: Apache-2.0
"""`interfaces.journal.Shelf`: large bodies as rows of a megabyte, so that no body is ever in memory as a whole."""

from __future__ import annotations

from pathlib import Path

from homeport.drivers.journals.postgres import statements
from homeport.drivers.journals.postgres.reader import Reader
from homeport.drivers.journals.postgres.session import Connection
from homeport.errors import HomeportError, failed_write

PIECE = 1024 * 1024


class PostgresShelf:
    def __init__(self, reader: Reader, owner: str) -> None:
        self._reader, self._owner = reader, owner

    async def put(self, name: str, file: Path) -> None:
        await self._reader.ask(lambda connection: self._put(connection, name, file))

    async def fetch(self, name: str, file: Path) -> bool:
        return await self._reader.ask(lambda connection: _fetch(connection, name, file))

    async def head(self, name: str, limit: int) -> bytes:
        def first(connection: Connection) -> bytes:
            row = connection.execute(statements.HEAD, (limit, name), binary=True).fetchone()
            return b"" if row is None else bytes(row[0])

        return await self._reader.ask(first)

    async def remove(self, name: str) -> None:
        await self._reader.ask(lambda connection: connection.execute(statements.UNSHELVE, (name,)))

    async def orphans(self) -> list[str]:
        return await self._reader.ask(
            lambda connection: [row[0] for row in connection.execute(statements.ORPHANS, (self._owner,))]
        )

    def _put(self, connection: Connection, name: str, file: Path) -> None:
        with file.open("rb", buffering=0) as source, connection.transaction():
            connection.execute(statements.UNSHELVE, (name,))
            connection.execute(statements.SHELVE, (name, self._owner, file.stat().st_size))
            n = 0
            while piece := source.read(PIECE):
                connection.execute(statements.PUT_PIECE, (name, n, piece))
                n += 1


def _fetch(connection: Connection, name: str, file: Path) -> bool:
    row = connection.execute(statements.SHELVED, (name,)).fetchone()
    if row is None:
        return False
    left, n = int(row[0]), 0
    try:
        with file.open("xb", buffering=0) as target:
            while left > 0:
                piece = connection.execute(statements.GET_PIECE, (name, n), binary=True).fetchone()
                if piece is None:
                    raise HomeportError("a stored body is not whole any more", operation="read a body", subject=name)
                target.write(piece[0])
                left -= len(piece[0])
                n += 1
    except BaseException as error:
        file.unlink(missing_ok=True)
        if isinstance(error, OSError):
            text = f"a body cannot be brought here: {error.strerror}"
            raise failed_write(error)(text, operation="read a body", subject=name) from error
        raise
    return True

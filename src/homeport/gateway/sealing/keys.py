# SPDX-License-Identifier: Apache-2.0
"""The keys that bodies and headers are encrypted with: in the journal's notes, sealed with the installation's key.

Each gateway makes its own and finds those of others by their ids, so that none waits for another. A note that holds a
key is never replaced nor removed. Which key a gateway works with is a note of its own: a number that grows with each
rotation, and the key's id. One that sees a higher number than its own makes a new key too.
"""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass

from homeport.errors import HomeportError, Unavailable, Unreadable
from homeport.gateway.core.aead import KEY, KEY_ID, SALT, Ciphers, header_of, key_id_of
from homeport.interfaces.journal import Journal
from homeport.interfaces.secrets import Aead, Sealer

log = logging.getLogger(__name__)
CURRENT = "journal key"
EACH = "journal key "
"""And the id: the name under which a key is kept. `store copy` takes along what begins so."""
_ROTATED = "homeport server rotate journal-key"


@dataclass(frozen=True, slots=True)
class BodyKey:
    id: bytes
    secret: bytes

    def header(self) -> bytes:
        """Of one body, with a salt of its own."""
        return header_of(self.id, os.urandom(SALT))


class Keys:
    """`on`: what is new is encrypted. What is there is read either way.

    `current` is there from `begin` on, where it is on.
    """

    def __init__(self, journal: Journal, sealer: Sealer, ciphers: Ciphers | None = None, *, on: bool = False) -> None:
        self._journal, self._sealer = journal, sealer
        self._ciphers = ciphers
        self._known: dict[bytes, BodyKey] = {}
        self._turn = 0
        self.on = on
        self.current: BodyKey | None = None

    def ciphers(self, key: bytes) -> Aead:
        if self._ciphers is None:
            raise Unreadable("this gateway was started without a cipher", operation="read a body")
        return self._ciphers(key)

    async def begin(self) -> None:
        """Find our key of a former life, or make one. One that cannot be opened is left alone and said to be so: a new
        one takes its place. Raises what the journal raises."""
        if not self.on:
            return
        turn, key_id = _current((await self._own()) or b"")
        latest = await self._latest()
        if key_id and turn >= latest:
            try:
                self._turn, self.current = turn, await self.of(key_id)
                return
            except Unreadable as error:
                log.error("a new key is made for the bodies of requests: %s (%s)", error.message, error.hint)
        await self._make(max(1, latest))

    async def follow(self) -> None:
        """Make a new key if another gateway was told to. Where that fails it is tried again with the next call."""
        try:
            if self.on and self._turn < (latest := await self._latest()):
                await self._make(latest)
        except HomeportError as error:
            log.warning("no new key for the bodies of requests yet: %s", error.message)

    async def rotate(self) -> str:
        """A new key from now on, here and, within seconds, in the other gateways; its id. What is kept stays as it is.

        Raises `HomeportError` where encryption is off.
        """
        if not self.on:
            raise HomeportError(
                "bodies are not encrypted here, so there is no key to replace",
                operation="rotate the journal's key",
                hint="set HOMEPORT_JOURNAL_ENCRYPTION=on and restart the server",
            )
        return (await self._make(max(self._turn, await self._latest()) + 1)).id.hex()

    async def of_header(self, header: bytes) -> BodyKey:
        """The key that what begins so was sealed with. Raises as `of`."""
        key_id = key_id_of(header)
        if key_id is None:
            raise changed("it does not begin as it should")
        return self._known.get(key_id) or await self.of(key_id)

    async def of(self, key_id: bytes) -> BodyKey:
        """Raises `Unreadable` where it is not there or cannot be opened, `Unavailable` while the journal is away."""
        if (known := self._known.get(key_id)) is not None:
            return known
        kept = list((await self._journal.notes(EACH + key_id.hex())).values())
        if not kept:
            raise Unreadable(
                f"its key {key_id.hex()} is not in this journal",
                operation="read a body",
                subject=key_id.hex(),
                hint="restore the backup that this journal is from, or remove the request",
            )
        try:
            secret = self._sealer.unseal(kept[0])
        except Unavailable:
            raise
        except HomeportError as error:
            raise Unreadable(
                f"its key {key_id.hex()} cannot be opened: {error.message}",
                operation="read a body",
                subject=key_id.hex(),
                hint=error.hint or "restore the key file of this installation from a backup",
            ) from error
        if len(secret) != KEY:
            raise changed("its key is not whole")
        key = self._known[key_id] = BodyKey(key_id, secret)
        return key

    async def _make(self, turn: int) -> BodyKey:
        """On disk before anything is sealed with it."""
        key = BodyKey(os.urandom(KEY_ID), os.urandom(KEY))
        await self._journal.put_note(EACH + key.id.hex(), self._sealer.seal(key.secret))
        await self._journal.put_note(CURRENT, b"%d %s" % (turn, key.id.hex().encode()))
        self._known[key.id] = key
        if turn >= self._turn:
            self._turn, self.current = turn, key
        return key

    async def _own(self) -> bytes | None:
        return await self._journal.get_note(CURRENT)

    async def _latest(self) -> int:
        return max((_current(note)[0] for note in (await self._journal.notes(CURRENT)).values()), default=0)


def changed(how: str) -> Unreadable:
    return Unreadable(
        f"what is kept of it was changed, or is not whole: {how}",
        operation="read a body",
        hint="look after the disk; a backup may have it as it was, and `homeport requests dead drop` removes it",
    )


def _current(note: bytes) -> tuple[int, bytes]:
    """Number and key id; (0, b"") for none that we know."""
    number, _, key_id = note.partition(b" ")
    try:
        return int(number), bytes.fromhex(key_id.decode("ascii"))
    except ValueError:
        return 0, b""

# SPDX-License-Identifier: Apache-2.0
"""The head file: number and hash of the last entry, so that cutting off the end of the trail is seen.

Written over in place after each append: that needs no space, and one sector is not torn. With a sealer, whoever can
write the file but does not hold the installation's key cannot make a head that fits a shortened trail. (They could put
back an older head with the trail of that time: copies kept elsewhere are the answer to that.)
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from homeport.errors import HomeportError
from homeport.interfaces.secrets import Sealer

SIZE = 512


@dataclass(frozen=True, slots=True)
class Head:
    seq: int
    hash: str


class HeadFile:
    def __init__(self, path: Path, sealer: Sealer | None) -> None:
        self._path = path
        self._sealer = sealer

    def exists(self) -> bool:
        return self._path.exists()

    def raw(self) -> bytes:
        """As it lies there; b"" for none."""
        try:
            return self._path.read_bytes()
        except FileNotFoundError:
            return b""

    def read(self) -> Head | None:
        """None when there is none yet. Raises `HomeportError` for one that is damaged or not ours."""
        try:
            raw = self._path.read_bytes().rstrip(b" \n\0")
        except FileNotFoundError:
            return None
        if not raw:
            return None
        try:
            data = json.loads(self._sealer.unseal(raw) if self._sealer else raw)
            return Head(int(data["seq"]), str(data["hash"]))
        except (HomeportError, ValueError, KeyError, TypeError) as error:
            raise HomeportError(
                f"{self._path} is damaged or not of this installation",
                operation="verify the audit trail",
                subject=str(self._path),
                hint="compare the trail with a copy kept elsewhere",
            ) from error

    def write(self, head: Head) -> None:
        """On disk when it returns."""
        raw = json.dumps({"seq": head.seq, "hash": head.hash}).encode()
        raw = (self._sealer.seal(raw) if self._sealer else raw).ljust(SIZE - 1) + b"\n"
        assert len(raw) == SIZE, "a longer head would not be replaced whole"
        fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.pwrite(fd, raw, 0)
            os.fdatasync(fd)
        finally:
            os.close(fd)

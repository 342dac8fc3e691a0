# SPDX-License-Identifier: Apache-2.0
"""A program that serves while a block runs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Self


class Server(ABC):
    """`with` starts it and closes it; one that does not start is closed too."""

    @abstractmethod
    def start(self) -> None:
        """Returns once it answers. Raises `HomeportError` with what it says."""

    @abstractmethod
    def close(self) -> None:
        """End it and take away all it made."""

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

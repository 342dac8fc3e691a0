# SPDX-License-Identifier: Apache-2.0
"""Patterns that are compiled at their first use: all rules are loaded for every source, and most touch few of them."""

from __future__ import annotations

import re
from typing import Any, cast

_USED = ("search", "match", "fullmatch", "finditer", "findall", "sub", "subn", "split", "pattern", "flags")


class Uncompiled:
    """Behaves as an `re.Pattern` by its methods; it is none for `re.search(one, …)` and `isinstance`."""

    def __init__(self, text: str, flags: int) -> None:
        self._text, self._flags = text, flags

    def __getattr__(self, name: str) -> Any:
        """Reached once, by the first use: from then on the methods are the compiled pattern's own."""
        if name not in _USED:
            raise AttributeError(name)
        made = re.compile(self._text, self._flags)
        vars(self).update({used: getattr(made, used) for used in _USED})
        return getattr(made, name)


def late(text: str, flags: int = 0) -> re.Pattern[str]:
    """In place of `re.compile`. What is wrong with `text` shows at its first use, and in the tests, which use all."""
    return cast("re.Pattern[str]", Uncompiled(text, flags))

# SPDX-License-Identifier: Apache-2.0
"""All paths of a source, sorted once by ending and by depth, so that rules need not look at each of them."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from functools import lru_cache, wraps

_ASIDE = frozenset(
    "test tests testing doc docs example examples sample samples demo demos bench benchmark benchmarks scripts tools "
    "vendor third_party node_modules site-packages migrations fixtures notebooks .github .gitlab .circleci".split()
)
_ANY_DEPTH = 1_000


class Paths(tuple[str, ...]):
    """Sorted, as the view has them, and so is what the methods give. `in` takes no time.

    `depth` is the number of folders that a file may lie in, one in another: 0 for those of the root.
    """

    _known: Container[object]
    _endings: dict[str, list[str]]
    _depths: dict[int, list[str]]
    _answers: dict[object, tuple[str, ...]]

    def __new__(cls, paths: Iterable[str] = ()) -> Paths:
        self = super().__new__(cls, paths)
        self._known = paths if isinstance(paths, Mapping) else frozenset(self)
        self._endings, self._depths, self._answers = {}, {}, {}
        for path in self:
            name = path[path.rfind("/") + 1 :]
            dot = name.rfind(".")
            self._endings.setdefault(name[dot:].lower() if dot >= 0 else "", []).append(path)
            self._depths.setdefault(path.count("/"), []).append(path)
        return self

    def __contains__(self, path: object) -> bool:
        return path in self._known

    def ending(self, *endings: str, depth: int = _ANY_DEPTH) -> list[str]:
        """Files by what follows the last dot of their names, dot included, in any case of letters; "" for no dot."""
        wanted = dict.fromkeys(ending.lower() for ending in endings)
        return _shallow(_merged([self._endings.get(ending, []) for ending in wanted]), depth)

    def named(self, *names: str, depth: int = _ANY_DEPTH) -> list[str]:
        """Files that are called so, in any case of letters."""
        wanted = frozenset(name.lower() for name in names)
        endings = {name[name.rfind(".") :] if "." in name else "" for name in wanted}
        return [path for path in self.ending(*endings, depth=depth) if path[path.rfind("/") + 1 :].lower() in wanted]

    def holding(self, *words: str, depth: int = _ANY_DEPTH) -> list[str]:
        """Files whose path holds one of these lower-case words, in any case of letters."""
        folded = ((path, path.lower()) for path in self)
        return _shallow([path for path, text in folded if any(word in text for word in words)], depth)

    def within(self, depth: int) -> list[str]:
        """Files that lie no deeper."""
        return _merged([found for at, found in self._depths.items() if at <= depth])

    def by_ending(self) -> Mapping[str, Sequence[str]]:
        """All of them, by their endings in lower case."""
        return self._endings


def once(choose: Callable[[Paths], Iterable[str]]) -> Callable[[Sequence[str]], list[str]]:
    """A choice among paths that is made once for each source, however often it is asked for: for `wants`."""

    @wraps(choose)
    def chosen(paths: Sequence[str]) -> list[str]:
        index = paths if isinstance(paths, Paths) else Paths(paths)
        if chosen not in index._answers:
            index._answers[chosen] = tuple(choose(index))
        return list(index._answers[chosen])

    return chosen


def in_the_way(path: str) -> bool:
    """Whether it lies in a folder of tests, documents or examples, which say little about how the whole starts."""
    folder = path.rpartition("/")[0]
    return bool(folder) and _aside(folder)


@lru_cache(maxsize=16_384)
def _aside(folder: str) -> bool:
    parent, _, name = folder.rpartition("/")
    if "src/main/" in folder:  # what lies below is a package of Java or Kotlin, whatever its name
        return _aside(folder.partition("src/main/")[0].rstrip("/") or "src")
    return name.lower() in _ASIDE or (bool(parent) and _aside(parent))


def _merged(lists: Sequence[list[str]]) -> list[str]:
    lists = [found for found in lists if found]
    return list(lists[0]) if len(lists) == 1 else sorted(path for found in lists for path in found)


def _shallow(paths: list[str], depth: int) -> list[str]:
    return paths if depth >= _ANY_DEPTH else [path for path in paths if path.count("/") <= depth]

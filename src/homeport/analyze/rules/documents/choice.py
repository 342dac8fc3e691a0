# SPDX-License-Identifier: Apache-2.0
"""Which documents are read, and how much what stands in each counts for the whole."""

from __future__ import annotations

import re

from homeport.analyze.paths import Paths, once
from homeport.analyze.pattern import late

_TEXTS = (".md", ".rst", ".txt", ".rmd", ".adoc", ".markdown", ".mdx", ".qmd")
_README = late(r"(?i)^readme(?:[._-]?(?:en|eng|english))?(?:\.\w{1,8})?$")
_TELLING = late(
    r"(?i)install|requirement|hardware|quick[-_]?start|get(?:ting)?[-_]?started|set[-_]?up|deploy|usage|system|planning"
    r"|(?:pre[-_]?)?train(?:ing)?(?![a-z])|inference|finetun|multi[-_]?gpu|running|complete[-_]guide|single[-_]node|sizing|tutorial|manual"
    r"|user[-_]?guide|self[-_]?host|how[-_]to[-_](?:use|run)|docker(?!file)"
)
_ASKS = late(r"(?i)(?:^|[-_])(?:requirements?|hardware|prerequisites?|sizing)(?:[-_.]|$)")
_RUNS = late(
    r"(?i)^(?:docker|deploy(?:ment)?s?|docs?(?:[-_]?(?:source|src|en))?|documentation|packag(?:e|ing)|self[-_]?host\w*|vignettes|install(?:er|ation)?|compose|v\d)(?:/|$)"
)
_PAGE = late(
    r"(?i)docs?/(?![\w-]{0,20}(?:report|paper|blog|bench|result|compar|legacy|old))[\w.-]{1,60}\.(?:md|rst|markdown)"
)
_FEW = 12
_ABOUT = 0.5
_ASIDE = late(
    r"(?i)(?:^|/)(?:change(?:s|log)?|history|news|release[-_ ]?notes?|contribut\w*|code[-_]of[-_]conduct|licen[cs]e\w*"
    r"|security|authors?|todo|roadmap|faq|citation|maintain\w*|governance|agents|claude|third[-_]?party\w*"
    r"|vendor|node_modules|site-packages|translations?|i18n|locales?|decisions|adr|blog|posts|licenses?|specs?"
    r"|proposals?|rfcs?|external|extern|deps|submodules|tests?|testing|fixtures|snapshots|\.github|archive[ds]?"
    r"|lang|legacy|old|cookbook)(?:[./]|$)"
)
_TONGUE = late(r"(?i)(?:^|[._/-])(?:zh|cn|ja|jp|ko|kr|es|fr|de|ru|pt|pt[-_]br|it|tr|vi|ar|fa|hi|id|uk|pl)(?:[._/-]|$)")
_MOST = 60
_MOST_BYTES = 600_000


@once
def chosen(paths: Paths) -> list[str]:
    """The documents to read, the one that speaks for the whole first."""
    named = {*paths.ending(*_TEXTS, "", depth=5), *paths.holding("readme", depth=5)}
    found = {path for path in named if _is_document(path)}
    pages = [path for path in paths.ending(*_TEXTS, depth=1) if _PAGE.fullmatch(path) and not _aside(path)]
    found.update(pages if len(pages) <= _FEW else ())
    return sorted(found, key=lambda path: (-weight(path), path.count("/"), path))[:_MOST]


def is_main(path: str) -> bool:
    """A README in the root: what it says is said of the whole."""
    return "/" not in path and bool(_README.fullmatch(path))


def asks(path: str) -> bool:
    """A page of requirements: what it names is asked for, as under a heading of that name."""
    return bool(_ASKS.search(path.rpartition("/")[2]))


def weight(path: str) -> float:
    """1.0 for the root's README, 0.6 for guides to installing and running, less for a part's own README."""
    if is_main(path):
        return 1.0
    folders, _, name = path.rpartition("/")
    if asks(path) and (not folders or _RUNS.match(folders)):
        return 0.6
    if _TELLING.search(name) and (not folders or _RUNS.match(folders)):
        return 0.6 if path.count("/") <= 3 else 0.45
    if _README.fullmatch(name):
        return _ABOUT if _RUNS.fullmatch(folders) else max(0.4 - 0.05 * path.count("/"), 0.2)
    return _ABOUT if _PAGE.fullmatch(path) else 0.3


def _aside(path: str) -> bool:
    return bool(_ASIDE.search(path) or _TONGUE.search(path.removesuffix(".md")))


def _is_document(path: str) -> bool:
    name = path.rpartition("/")[2]
    telling = _README.fullmatch(name) or (
        _TELLING.search(name)
        and (name.lower().endswith(_TEXTS) or "." not in name)
        and not re.match(r"(?i)requirements[\w.-]*\.(?:txt|in)$", name)
    )
    return bool(telling) and not _aside(path)

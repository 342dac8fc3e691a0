# SPDX-License-Identifier: Apache-2.0
"""Ports that documents tell people to open in a browser, or publish from a container."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from homeport.analyze.claims import Claims
from homeport.analyze.command import to_port
from homeport.analyze.pattern import late
from homeport.analyze.prose import Sentence
from homeport.analyze.rules.documents import phrases
from homeport.analyze.rules.documents.choice import is_main, weight
from homeport.model.evidence import Origin

_PUBLISHED = late(
    r"(?:^|\s)(?:(?:-p|--publish)[\s=]|-\s[\"']?(?=\d{2,5}:\d{2,5}[\"']?$))"
    r"(?:[\d.]{7,15}:)?(?P<outside>\d{2,5})(?:-\d{2,5})?:(\d{2,5})\b(?!/udp)"
)
_ADDRESS = late(
    r"(?i)(?:\b(?:localhost|127\.0\.0\.1|0\.0\.0\.0|your[-_]server|<?host(?:name)?>?)|\bhttps?://\s?):(\d{2,5})\b"
)
"""A name in angle brackets, `http://<ip>:80`, is taken off as markup is."""
_INVITES = late(
    r"(?i)\b(?:open|visit|enter|browse|navigate|go to|head to|available (?:at|on|under)|access(?:ible)?"
    r"|point your browser)\b"
)
_TUNNEL = late(r"\bssh\b[^|;]{0,120}?\s-[A-Za-z]{0,6}[LRD]\s")
"""Its arguments are ports of other programs, at both ends."""
_FIRST_STEPS = late(r"(?i)(?:^|/)[^/]{0,40}(?:quick|get(?:ting)?[-_]?started|install)[^/]{0,40}$")
_DEVELOPED = late(r"\bdevelop(?:ment|ing|ers?)\b|\bhacking\b|\bdev (?:server|setup|environment)\b|\bfrom source\b")
_PART = 0.48  # a page for one use of many
_AGREED = 0.55  # several pages
_OTHERS = frozenset((22, 5432, 3306, 6379, 27017, 11434, 9200, 1234, 9092, 8888, 6006, 1025, 443))
"""Ports of the servers people put beside it."""


def read(documents: Sequence[tuple[str, list[Sentence]]], claims: Claims) -> None:
    seen: Counter[int] = Counter()
    files: dict[int, set[str]] = {}
    first: dict[int, tuple[str, Sentence, str]] = {}
    developed: dict[int, bool] = {}
    for file, sentences in documents:
        if weight(file) < 0.5:
            continue
        for one in sentences:
            if phrases.ASIDE.search(one.under) or ("ssh" in one.text and _TUNNEL.search(one.text)):
                continue
            for rule, pattern, points in (("published-port", _PUBLISHED, 3), ("address", _ADDRESS, 2)):
                inviting = 1 if _INVITES.search(one.text) else 0
                for place, match in enumerate(pattern.finditer(one.text)):
                    port = to_port(match[match.lastindex or 1])
                    outside = to_port(match["outside"]) if pattern is _PUBLISHED else None
                    if port and outside and is_main(file):
                        claims.add("published_port", (port, outside), Origin.DOCUMENTED, file=file, line=one.line,
                                   rule="documents.published", confidence=0.6, text=one.text)  # fmt: skip
                    if port and port not in _OTHERS:
                        seen[port] += points + (inviting if not place else 0)
                        files.setdefault(port, set()).add(file)
                        first.setdefault(port, (file, one, rule))
                        developed[port] = developed.get(port, True) and bool(_DEVELOPED.search(one.under))
    for place, (port, points) in enumerate(seen.most_common(3)):
        file, one, rule = first[port]
        rule = "developed" if developed[port] else rule
        most = 0.6 if is_main(file) or (_FIRST_STEPS.search(file) and file.count("/") <= 3) else _PART
        most = max(most, _AGREED) if len(files[port]) > 1 and rule == "address" else most
        sure = min(0.38 + 0.05 * points, most) - 0.15 * place
        claims.add("port", port, Origin.DOCUMENTED, file=file, line=one.line, rule=f"documents.{rule}",
                   confidence=round(sure, 3), text=one.text)  # fmt: skip

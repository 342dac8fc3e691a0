# SPDX-License-Identifier: Apache-2.0
"""Settings files that ship with a program: the port they have it listen on."""

from __future__ import annotations

from collections.abc import Iterator

from homeport.analyze.claims import Claims
from homeport.analyze.command import to_port
from homeport.analyze.paths import Paths, in_the_way, once
from homeport.analyze.pattern import late
from homeport.analyze.repo import Repo
from homeport.analyze.ruleset import Ruleset
from homeport.analyze.voice import near
from homeport.model.evidence import Origin

_ENDINGS = (".toml", ".ini", ".conf", ".cfg", ".yaml", ".yml", ".json", ".js", ".cjs")
_FOLDER = late(r"(?i)^(?:conf|configs?|configuration|etc|defaults?|settings|server/(?:conf|config))/[^/]{1,60}$")
_FILE = late(
    r"(?i)^(?:config|settings|defaults?|server|app)(?:[._-](?:example|sample|default|dist|template)){0,2}\.\w{2,5}$"
    r"|^[\w-]{1,40}\.(?:example|sample)\.\w{2,5}$"
)
_NOT = late(r"(?i)nginx|apache|haproxy|caddy|traefik|envoy|eslint|babel|webpack|vite|rollup|jest|karma|test|package"
            r"|tsconfig|train|model|supervisor|prometheus|grafana|redis|client")  # fmt: skip
_KEY = late(
    r"(?i)^[\"']?(?:bind|listen|listening|http|web|app|ui)?[_.-]?port[\"']?\s{0,4}[:=]\s{0,4}"
    r"[\"']?(\d{2,5})[\"']?\s{0,4},?\s{0,4}(?:[#;].*|//.*)?$"
)
_ADDRESS = late(
    r"(?i)^[\"']?(?:(?:http|bind|listen|web)[_.-]?)?(?:listen|bind|addr|address|http)[\"']?\s{0,4}[:=]\s{0,4}"
    r"[\"']?(?:https?://)?[\w.*\[\]]{0,40}:(\d{2,5})[\"']?\s{0,4},?\s{0,4}(?:[#;].*|//.*)?$"
)
_TABLE = late(r"^\[{1,2}([\w.\"-]{1,60})\]{1,2}$")
_OPENS = late(r"^[\"']?([\w.-]{1,60})[\"']?\s?[:=]\s?\{?$")
_ITSELF = late(
    r"(?i)^(?:server|http|web|app|listen|listener|service|general|default|main|global|core|api|ui|module\.exports)$"
)
_COMMENTS = ("#", ";", "//", "*", "/*")
_OTHERS = frozenset((22, 25, 53, 443, 465, 587, 993, 5432, 3306, 6379, 27017, 9200, 9092, 11211, 2379, 29500))
_MOST = 12
_SURE = 0.56


def _read(repo: Repo, claims: Claims) -> None:
    said = [(port, file, number) for file in _wants(repo.paths) for port, number in _ports(repo, file)]
    sure = _SURE if len({port for port, _, _ in said}) == 1 else 0.45
    for port, file, number in said[:6]:
        claims.add("port", port, Origin.CODE, file=file, line=number, rule="configured.port", confidence=sure,
                   text=repo.line(file, number))  # fmt: skip


def _ports(repo: Repo, file: str) -> Iterator[tuple[int, int]]:
    """Those that stand at the top of a file, or in a section that is about the program itself, with their lines."""
    table, above = "", list[tuple[int, str]]()
    for number, line in enumerate(repo.lines(file)[:1500], 1):
        text = line.strip()
        if not text or text.startswith(_COMMENTS):
            continue
        indent = len(line) - len(line.lstrip())
        while above and above[-1][0] >= indent:
            above.pop()
        if found := _TABLE.match(text):
            table, above = found[1], []
        elif found := _OPENS.match(text):
            above.append((indent, found[1]))
        elif found := _KEY.match(text) or _ADDRESS.match(text):
            port = to_port(found[1])
            sections = [name for name in (table, *(name for _, name in above)) if name]
            if port and port not in _OTHERS and all(_ITSELF.match(name) for name in sections):
                yield port, number


@once
def _wants(paths: Paths) -> list[str]:
    found = [
        path
        for path in paths.ending(*_ENDINGS, depth=2)
        if (_FOLDER.match(path) or _FILE.match(path)) and not _NOT.search(path) and not in_the_way(path)
    ]
    return sorted(found, key=near)[:_MOST]


RULES = Ruleset(wants=_wants, read=_read, rank=63)

# SPDX-License-Identifier: Apache-2.0
"""Compose files: devices reserved, ports, shared memory, limits. Read by lines, so that anchors cost nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from homeport.analyze.claims import Claims
from homeport.analyze.command import to_port
from homeport.analyze.paths import Paths, once
from homeport.analyze.pattern import late
from homeport.analyze.repo import Repo, in_the_way
from homeport.analyze.ruleset import Ruleset
from homeport.model.evidence import Origin
from homeport.model.requirements import GpuNeed

_FILE = late(r"(?i)^(?:docker-)?compose(?:[._-][\w.-]{1,40})?\.ya?ml$")
_PLAIN = late(r"(?i)^(?:docker-)?compose\.ya?ml$")
_VARIANT = late(r"(?i)(?:^|[/_-])(?:gpu|cuda|nvidia|amd|rocm|intel|cpu|tpu)(?:$|[/_-])")
_GPU = late(
    r"driver:\s?[\"']?nvidia|capabilities:.*\bgpu\b|runtime:\s?[\"']?nvidia|^gpus:\s?\S|nvidia\.com/gpu|/dev/kfd"
)
_ADDS = late(
    r"(?i)^(?:docker-)?compose[._-](?:override|prod|production|without|with|expose|ports?|local)[\w.-]{0,40}\.ya?ml$"
)
_COUNT = late(r"count:\s?[\"']?(\d{1,2})\b")
_PUBLISHED = late(
    r"^-\s?[\"']?(?P<outside>[^\"'\s]{0,80}:)?(?:\$\{\w{1,60}:?-)?(?P<inside>\d{2,5})\}?(?:/tcp)?[\"']?\s{0,4}(?:#.*)?$"
)
_VARIABLE = late(r"\$\{?(\w{1,60})(?::?-(\d{2,5}))?\}?:$")
_EXAMPLES = (".env.example", "env.example", ".env.sample", ".env.template", "example.env", "docker/.env.example")
_FRONT = late(
    r"(?i)(?:^|[-_.])(?:web|app|ui|frontend|front|nginx|proxy|gateway|caddy|traefik|portal|www|server)(?:$|[-_.])"
)
_BEHIND = late(r"(?i)worker|cron|scheduler|queue|migrat|beat|runner|init|backup|consumer")
_SIZE = late(r"(shm_size|memory|mem_limit):\s?[\"']?(\d{1,6}(?:\.\d{1,2})?)\s?([kmg])i?b?\b", re.I)
_BESIDE = late(
    r"(?i)postgres|mysql|maria|mongo|redis|valkey|rabbit|kafka|zookeeper|elastic|minio|prometheus|grafana|nats|memcached"
    r"|mssql|sqlserver|meili|typesense|solr|influx|etcd|cassandra"
    r"|couchdb|neo4j|pgadmin|phpmyadmin|mqtt|mosquitto|mailhog|mailpit|clickhouse|adminer|jaeger|(?<![a-z])tests?(?![a-z])|ldap"
)
_UNITS = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


@dataclass(slots=True)
class _Service:
    name: str
    line: int
    body: list[tuple[int, str]] = field(default_factory=list)

    @property
    def beside(self) -> bool:
        """A server of others that is started along."""
        image = next((text for _, text in self.body if text.startswith("image:")), "")
        return bool(_BESIDE.search(self.name) or _BESIDE.search(image))

    @property
    def chosen(self) -> bool:
        """Started only where its profile is asked for."""
        return any(text.startswith("profiles:") for _, text in self.body)


def _read(repo: Repo, claims: Claims) -> None:
    files = [file for file in _wants(repo.paths) if repo.text(file) and file not in _EXAMPLES]
    plain_ones = [file for file in files if _is_plain(file)]
    for file in files:
        plain = file in plain_ones
        services = list(_services(repo.lines(file)[:2000]))
        any_plain = any(not one.chosen and not one.beside and not _asks(one) for one in services)
        for one in services:
            _read_devices(claims, file, one, needed=plain and not one.chosen and not any_plain,
                          sure=0.55 if plain_ones else 0.48)  # fmt: skip
        if plain and file == files[0]:
            own = [one for one in services if not one.beside and not one.chosen]
            _read_ports(repo, claims, file, own)
            _read_sizes(claims, file, own)
    if plain_ones and not any(one.field == "port" and one.evidence.rule == "compose.port" for one in claims.all):
        _read_additions(repo, claims, [file for file in files if _ADDS.search(file) and not in_the_way(file)])


def _is_plain(file: str) -> bool:
    """The one that is started where nothing else is said."""
    folder, _, name = file.rpartition("/")
    return bool(_PLAIN.fullmatch(name)) and not in_the_way(file) and not _VARIANT.search(folder)


def _read_devices(claims: Claims, file: str, one: _Service, *, needed: bool, sure: float) -> None:
    asked = _asks(one)
    if not asked:
        return
    answer, sure = (GpuNeed.NEEDED, 0.7) if needed else (GpuNeed.OPTIONAL, sure)
    claims.add("gpu", answer, Origin.CONTAINER, file=file, line=asked[0], rule="compose.devices", confidence=sure,
               text=asked[1])  # fmt: skip
    count = next(((number, found) for number, text in one.body if (found := _COUNT.search(text))), None)
    if count and needed:
        claims.add("gpu_count", int(count[1][1]), Origin.CONTAINER, file=file, line=count[0], rule="compose.count",
                   confidence=0.55, text=count[1][0])  # fmt: skip


def _read_additions(repo: Repo, claims: Claims, files: Sequence[str]) -> None:
    """A file that is given beside the plain one may publish what that does not."""
    for file in files:
        own = [one for one in _services(repo.lines(file)[:2000]) if not one.beside and not one.chosen]
        _read_ports(repo, claims, file, own)


def _read_ports(repo: Repo, claims: Claims, file: str, services: Sequence[_Service]) -> None:
    """What people open comes before what works behind it; a port on the loopback alone is seldom theirs."""
    called = repo.source.locator.lower()

    def rank(one: _Service) -> tuple[bool, bool, bool]:
        itself = len(one.name) >= 4 and one.name.lower() in called
        return bool(_BEHIND.search(one.name)), not itself, not _FRONT.search(one.name)

    ranked = sorted(services, key=rank)
    for place, one in enumerate(ranked[:6]):
        in_ports = False
        for number, text in one.body:
            if not text.startswith("-"):
                in_ports = text.startswith("ports:")
            elif in_ports and (found := _PUBLISHED.match(text)) and (port := to_port(found["inside"])) and port != 22:
                sure = round(0.6 - place / 20, 3)
                claims.add("port", port, Origin.CONTAINER, file=file, line=number, rule="compose.port",
                           confidence=sure, text=text)  # fmt: skip
                if outside := _outside(repo, found["outside"] or ""):
                    claims.add("published_port", (port, outside), Origin.CONTAINER, file=file, line=number,
                               rule="compose.published", confidence=sure, text=text)  # fmt: skip
                in_ports = False


def _outside(repo: Repo, text: str) -> int | None:
    """`8080:`, `127.0.0.1:8080:`, `${PORT:-8080}:`, and `${PORT}:` by what an example of its settings says."""
    if found := _VARIABLE.search(text):
        if found[2]:
            return to_port(found[2])
        wanted = re.compile(rf"\s{{0,4}}{re.escape(found[1])}=[\"']?(\d{{2,5}})\b")
        lines = (line for file in _EXAMPLES for line in repo.lines(file)[:400])
        return next((to_port(match[1]) for line in lines if (match := wanted.match(line))), None)
    return to_port(text.rstrip(":").rpartition(":")[2])


def _read_sizes(claims: Claims, file: str, services: Sequence[_Service]) -> None:
    for one in services[:6]:
        for number, text in one.body:
            if not (found := _SIZE.search(text)):
                continue
            size = int(float(found[2]) * _UNITS[found[3].lower()])
            name = "shared_memory_bytes" if found[1].lower() == "shm_size" else "memory_bytes"
            if size >= 1 << 24 and name == "shared_memory_bytes":
                claims.add("shared_memory_bytes", size, Origin.CONTAINER, file=file, line=number,
                           rule="compose.shm", confidence=0.7, text=text)  # fmt: skip
            elif size >= 1 << 24 and len(services) == 1:
                claims.add("memory_bytes", size, Origin.CONTAINER, file=file, line=number,
                           rule="compose.limit", confidence=0.45, text=text)  # fmt: skip


def _asks(one: _Service) -> tuple[int, str] | None:
    return next(((number, text) for number, text in one.body if _GPU.search(text)), None)


def _services(lines: Sequence[str]) -> Iterator[_Service]:
    current: _Service | None = None
    inside, step = False, 0
    for number, raw in enumerate(lines, 1):
        text = raw.strip()
        if not text or text.startswith("#"):
            continue
        indent = len(raw) - len(raw.lstrip())
        if indent == 0:
            inside = text.startswith("services:")
            continue
        if not inside:
            continue
        step = step or indent
        if indent == step and text.partition(":")[1]:
            if current:
                yield current
            current = _Service(text.partition(":")[0].strip("\"' "), number)
        elif current and len(current.body) < 400:
            current.body.append((number, text))
    if current:
        yield current


@once
def _wants(paths: Paths) -> list[str]:
    found = [path for path in paths.ending(".yml", ".yaml") if _FILE.fullmatch(path.rpartition("/")[2])]
    ranked = sorted(found, key=lambda path: (path.count("/"), in_the_way(path), len(path), path))[:12]
    return ranked + [path for path in _EXAMPLES if found and path in paths]


RULES = Ruleset(wants=_wants, read=_read, rank=25)

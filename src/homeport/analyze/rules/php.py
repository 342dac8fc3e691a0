# SPDX-License-Identifier: Apache-2.0
"""PHP: composer.json, Laravel's artisan, front controllers."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from homeport.analyze.claims import Claims
from homeport.analyze.paths import Paths, once
from homeport.analyze.pattern import late
from homeport.analyze.repo import Repo
from homeport.analyze.ruleset import Ruleset
from homeport.analyze.tomlfile import table
from homeport.analyze.voice import Voice, pick
from homeport.model.requirements import Ecosystem, Kind

_COMPOSER = "composer.json"
_FRONTS = ("public/index.php", "web/index.php", "index.php", "htdocs/index.php")
_VERSION = late(r"(?:[\^~>=v ]{0,4})(\d{1,2}(?:\.\d{1,2}){0,2})")
_PLAIN = late(r"(\d\.\d{1,2})")
_PORTS = (
    ("listen", 0.6, late(r"(?:HttpServer|Swoole\\\\?\w{0,20}\\\\?Server|SocketServer"
                               r"|Worker)\w{0,20}\(\s{0,3}[\"'][\w.:/]{1,60}(?:[\"'],\s{0,3}|:)(\d{2,5})\b")),
    ("env-port-default", 0.6, late(r"(?:getenv|env)\([\"']PORT[\"']\)?(?:\s{0,3}\?[:?]|,)\s{0,3}[\"']?(\d{"
                                         r"2,5})\b")),
)  # fmt: skip
_ENV = late(r"\b(?:getenv|env)\([\"']([A-Z][A-Z0-9_]{2,99})[\"']\)")
_TELLING = late(r"(?i)(?:^|/)(?:index|server|app|bootstrap|web|api|services|database|kernel|worker)\.php$")
_UP = late(r"health:\s{0,3}[\"'](/[\w/-]{1,60})[\"']")


def _read(repo: Repo, claims: Claims) -> None:
    front = next((one for one in _FRONTS if one in repo), "")
    if _COMPOSER not in repo and front not in ("index.php", "public/index.php"):
        return
    voice = Voice(repo, claims, Ecosystem.PHP)
    share = voice.begin(_COMPOSER if _COMPOSER in repo else front, (".php",))
    composer = _composer(repo, claims)
    required = table(composer, "require")
    _read_version(voice, required)
    listens = voice.search(_code(repo.paths), _PORTS, _ENV)
    for found, line in voice.hits("bootstrap/app.php", _UP, most=1):
        voice.health(found[1], "laravel-health", 0.72, "bootstrap/app.php", line)
    library = composer.get("type") == "library" or not (front or "artisan" in repo or listens)
    sure = 0.55 + 0.2 * share
    line = repo.find(_COMPOSER, '"require"')
    if "artisan" in repo and "laravel/framework" in required:
        words = ("php", "artisan", "serve", "--host", "0.0.0.0", "--port", "$PORT")  # noqa: S104
        voice.start(words, "artisan", sure + 0.1, "artisan")
    elif front and composer.get("type") != "library":
        folder = front.rpartition("/")[0]
        words = ("php", "-S", "0.0.0.0:$PORT", *(("-t", folder) if folder else ()))
        voice.start(words, "front-controller", sure - (0.1 if front == "index.php" else 0.0), front)
    if library:
        voice.kind(Kind.CLI if composer.get("bin") else Kind.LIBRARY, "no-front", 0.57, _COMPOSER, line)
    else:
        voice.kind(Kind.SERVICE, "front", 0.57 if share > 0.3 else 0.48, front or "artisan")


def _composer(repo: Repo, claims: Claims) -> dict[str, object]:
    if not repo.text(_COMPOSER):
        return {}
    try:
        data = json.loads(repo.text(_COMPOSER))
    except (ValueError, RecursionError):
        claims.warn(f"{_COMPOSER} is not valid JSON; nothing was taken from it")
        return {}
    return data if isinstance(data, dict) else {}


def _read_version(voice: Voice, required: Mapping[str, object]) -> None:
    wanted = required.get("php")
    if isinstance(wanted, str) and (found := _VERSION.match(wanted.strip()[:60])):
        voice.version(found[1], "composer-php", 0.85, _COMPOSER, voice.repo.find(_COMPOSER, '"php"'))
    extensions = [name[4:].lower() for name in required if re.fullmatch(r"ext-[A-Za-z0-9_]{2,30}", name)]
    if extensions:
        packages = tuple(f"php-{name}" for name in extensions[:40])
        line = voice.repo.find(_COMPOSER, '"ext-')
        voice.say("system_packages", packages, "composer-extensions", 0.55, _COMPOSER, line)
    for found, line in voice.hits(".php-version", _PLAIN, most=1):
        voice.version(found[1], "version-file", 0.9, ".php-version", line, minimum=False)


@once
def _code(paths: Paths) -> list[str]:
    return pick(paths, (".php",), _TELLING, most=16, depth=3)


@once
def _wants(paths: Paths) -> list[str]:
    if _COMPOSER not in paths and not any(one in paths for one in _FRONTS):
        return []
    known = (_COMPOSER, ".php-version", "bootstrap/app.php")
    return [*(one for one in known if one in paths), *_code(paths)]


RULES = Ruleset(wants=_wants, read=_read, looks_for=("Laravel's artisan, or index.php in the root or in public/",))

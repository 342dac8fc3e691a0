# SPDX-License-Identifier: Apache-2.0
"""Ruby: Gemfile, Rails, Rack and Sinatra applications, gems."""

from __future__ import annotations

import re

from homeport.analyze.claims import Claims
from homeport.analyze.paths import Paths, once
from homeport.analyze.pattern import late
from homeport.analyze.repo import Repo
from homeport.analyze.ruleset import Ruleset
from homeport.analyze.voice import Voice, pick
from homeport.model.requirements import Ecosystem, Kind

_GEMFILE = "Gemfile"
_ANYWHERE = ("-o", "0.0.0.0", "-p", "$PORT")  # noqa: S104
_APPS = ("app.rb", "server.rb", "main.rb", "web.rb", "api.rb")
_GEM = late(r"^\s{0,8}gem\s{0,3}\(?\s{0,3}[\"']([\w-]{1,60})[\"']", re.M)
_RUBY = late(r"^\s{0,8}ruby\s{0,3}\(?\s{0,3}[\"'][~>=\s]{0,5}(\d\.\d{1,2}(?:\.\d{1,2})?)", re.M)
_REQUIRED = late(r"required_ruby_version\s{0,3}=\s{0,3}(?:Gem::Requirement\.new\()?\[?[\"'][~>=\s]{0,5}(\d\.\d{1,2})")
_PLAIN = late(r"^\s{0,3}(?:ruby-)?(\d\.\d{1,2}(?:\.\d{1,2})?)")
_PORTS = (
    ("env-port-default", 0.78, late(r"ENV(?:\.fetch\(|\[)\s{0,3}[\"']PORT[\"'](?:\s{0,3},\s{0,3}"
                                          r"|\)\s{0,3}\{\s{0,3}|\]\s{0,3}\|\|\s{0,3}"
                                          r"|\]\.to_i\s{0,3}\|\|\s{0,3})[\"']?(\d{2,5})\b")),
    ("puma-port", 0.7, late(r"^\s{0,4}port\s{1,3}(\d{2,5})\b", re.M)),
    ("set-port", 0.7, late(r"\bset\s{0,3}\(?:port\s{0,3},\s{0,3}(\d{2,5})\b")),
    ("bind", 0.6, late(r"\bbind\s{0,3}\(?[\"']tcp://[\w.:]{1,40}:(\d{2,5})")),
    ("listen", 0.55, late(r"(?:TCPServer|WEBrick::HTTPServer)\.new\([^()\n]{0,60}?(\d{4,5})\b")),
)  # fmt: skip
_ENV = late(r"\bENV(?:\.fetch\(\s{0,2}|\[)\s{0,2}[\"']([A-Z][A-Z0-9_]{2,99})[\"']\s{0,2}[\])]")
_TELLING = late(
    r"(?i)^(?:app|server|main|web|api|config|rackup)\.(?:rb|ru)$|^config/(?:puma|unicorn|application|routes"
    r"|database)\.rb$|^config/environments/production\.rb$"
)
_UP = late(r"get\s{0,3}\(?\s{0,3}[\"']/?(\w{1,30})[\"']\s{0,3}(?:=>|,\s{0,3}to:)\s{0,3}[\"']rails/health#show")


def _read(repo: Repo, claims: Claims) -> None:
    gemspec = next((path for path in repo.paths.ending(".gemspec", depth=0)), "")
    first = _GEMFILE if _GEMFILE in repo else gemspec
    if not first:
        return
    voice = Voice(repo, claims, Ecosystem.RUBY)
    share = voice.begin(first, (".rb", ".erb"))
    gems = {found[1]: line for found, line in voice.hits(_GEMFILE, _GEM, most=400)}
    _read_versions(voice, gemspec)
    listens = voice.search(_code(repo.paths), _PORTS, _ENV)
    for found, line in voice.hits("config/routes.rb", _UP, most=1):
        voice.health(f"/{found[1]}", "rails-health", 0.78, "config/routes.rb", line)
    started = _read_start(voice, gems, 0.5 + 0.2 * share, is_gem=bool(gemspec))
    if started or (listens and not gemspec):
        voice.kind(Kind.SERVICE, "application", 0.58 if share > 0.3 else 0.48, started or listens)
    elif gemspec:
        program = next((one for one in repo.paths.within(1) if one.startswith("exe/")), "")
        voice.kind(Kind.CLI if program else Kind.LIBRARY, "gem", 0.57, program or gemspec)


def _read_versions(voice: Voice, gemspec: str) -> None:
    for found, line in voice.hits(_GEMFILE, _RUBY, most=1):
        voice.version(found[1], "gemfile-ruby", 0.85, _GEMFILE, line)
    for found, line in voice.hits(".ruby-version", _PLAIN, (), most=1):
        voice.version(found[1], "version-file", 0.9, ".ruby-version", line, minimum=False)
    for found, line in voice.hits(gemspec, _REQUIRED, most=1):
        voice.version(found[1], "gemspec-ruby", 0.75, gemspec, line)


def _read_start(voice: Voice, gems: dict[str, int], sure: float, *, is_gem: bool) -> str:
    """Claims how it starts; returns the file that says it is an application, or ""."""
    repo = voice.repo
    rails = "config/application.rb" in repo and ("rails" in gems or "railties" in gems)
    if rails:
        voice.start(
            ("bundle", "exec", "rails", "server", "-b", *_ANYWHERE[1:]), "rails", sure + 0.2, "config/application.rb"
        )
        return "config/application.rb"
    if "config.ru" in repo and not is_gem:
        server = ("puma", "-b", "tcp://0.0.0.0:$PORT") if "puma" in gems else ("rackup", *_ANYWHERE)
        voice.start(("bundle", "exec", *server), "rack", sure + 0.15, "config.ru")
        return "config.ru"
    for file in _APPS:
        line = repo.find(file, "sinatra")
        if line and not is_gem:
            voice.start(("bundle", "exec", "ruby", file, *_ANYWHERE), "sinatra", sure + 0.05, file, line)
            return file
    return ""


@once
def _code(paths: Paths) -> list[str]:
    return pick(paths, (".rb", ".ru"), _TELLING, most=16, depth=2)


@once
def _wants(paths: Paths) -> list[str]:
    specs = paths.ending(".gemspec", depth=0)[:2]
    if _GEMFILE not in paths and not specs:
        return []
    return [*(one for one in (_GEMFILE, ".ruby-version") if one in paths), *specs, *_code(paths)]


RULES = Ruleset(wants=_wants, read=_read, looks_for=("a Rails, Rack or Sinatra application",))

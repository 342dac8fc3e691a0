# SPDX-License-Identifier: Apache-2.0
"""The only reader of the environment and of configuration files.

Order: flag > `HOMEPORT_*` > the seed's variable > `--env-file` > user file > default. A `.env` is read only when it
is named: a repository one happens to stand in must not redirect anything.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from homeport.errors import UsageError


@dataclass(frozen=True, slots=True)
class Paths:
    """Where things are kept. XDG folders; as root /etc, /var/lib, /var/cache, /run; `HOMEPORT_HOME` overrides all."""

    config: Path
    """Keys, tokens, policies, the user file. Back it up."""
    state: Path
    """Databases, logs, agents' code and data. Back it up."""
    cache: Path
    """Fetched repositories, and what clouds were found to offer. May be deleted at any time."""
    runtime: Path
    """Sockets and locks. Gone after a reboot."""
    envboot: Path | None = None
    """Where EnvAgent-plus kept the user's plugins, which work here too: ~/.envboot."""

    @property
    def api_socket(self) -> Path:
        return self.runtime / "api.sock"

    @property
    def gateway_socket(self) -> Path:
        return self.runtime / "gateway.sock"

    @property
    def keeper_socket(self) -> Path:
        return self.runtime / "keeper.sock"

    @property
    def logs(self) -> Path:
        return self.state / "logs"

    @property
    def agents(self) -> Path:
        return self.state / "agents"

    @property
    def admin_token(self) -> Path:
        return self.config / "admin-token"

    @property
    def key(self) -> Path:
        return self.config / "secrets.key"

    @property
    def plugins(self) -> tuple[Path, ...]:
        """Where the user's own selectors and hooks are, as files."""
        return tuple(folder / "plugins" for folder in (self.config, self.envboot) if folder)

    def create(self) -> None:
        """Make the folders, 0700. Idempotent."""
        for folder in (self.config, self.state, self.cache, self.runtime):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)


@dataclass(frozen=True, slots=True)
class Settings:
    paths: Paths
    namespace: str = "default"
    """Where a command looks when it does not say."""
    api_listen: str = "127.0.0.1:8080"
    """host:port of the management API."""
    gateway_listen: str = "127.0.0.1:8081"
    """host:port of the data plane."""
    gateway_connections: str = ""
    """How many connections of clients the data plane takes at once; "" is 10000, or as many as open files allow."""
    url: str = ""
    """A management API elsewhere; "" means this machine's api.sock."""
    token: str = ""
    """The token for `url`. Never needed on api.sock."""
    log_level: str = "info"
    """debug, info, warning or error: what our own processes write."""
    log_format: str = "text"
    """text, json or kv."""
    idle_exit: float = 0.0
    """Seconds without agents and without requests after which the server ends; 0: never."""
    runtime: str = "auto"
    """Where agents run: process, docker, or auto: docker when an engine answers, else process."""
    docker_host: str = ""
    """unix:///path of a container engine (Docker or Podman); "" looks where engines usually are."""
    docker_network: str = "auto"
    """How agents in containers are reached: sealed, joined or bridge (see docs); auto takes the tightest that works."""
    docker_base: str = ""
    """Image that agents without one of their own run in; "" takes the programs of this machine, read-only."""
    database_url: str = ""
    """postgresql://… for state, journal and durable steps; "" means SQLite files in the state folder."""
    retention_completed: str = ""
    """How long answered requests are kept, with their answers and keys: 12h, 30d; "" is 7d, 0 for ever."""
    retention_failed: str = ""
    """The same for those given up with a known outcome; "" is 7d."""
    retention_dead: str = ""
    """The same for dead letters; "" is 30d."""
    retention_requests: str = ""
    """How many requests of one agent are kept; "" is 100000, 0 no limit. Only what was answered makes room."""
    retention_bytes: str = ""
    """How many bytes of bodies of one agent are kept: 500MiB, 10GiB; "" is 10GiB, 0 no limit."""
    webhook_allow: str = ""
    """Networks that webhooks may lead to beside the public internet: 127.0.0.0/8, 10.1.2.0/24; "" is none."""
    retention_agents: str = ""
    """Others for some agents: `NAMESPACE/AGENT: completed=30d, requests=1000; …`; * and ? fit in names."""
    journal_encryption: str = ""
    """`on`: bodies and headers of requests and answers are kept encrypted from now on; "" is off."""
    node: str = ""
    """This server's name among those on one database; "" means the host's name."""
    default_site: str = ""
    """The Chameleon site whose machines are planned with where --site names none; "" looks at all."""
    default_network: str = ""
    """The network a machine joins where --network names none; "" leaves it to the target."""
    default_key_name: str = ""
    """The key pair that opens a machine where --key-name names none, as the target calls it."""
    linode_api: str = ""
    """Where Linode's types and prices are read from; "" is Linode's own API."""
    chameleon_api: str = ""
    """Where Chameleon's reference data is read from; "" is Chameleon's own."""
    kubernetes_prices: str = ""
    """A file with what your cluster's nodes cost (see "Prices and offers"); "" means that Kubernetes is not priced."""
    llm_base_url: str = ""
    """Any OpenAI-compatible endpoint, asked only with --llm; "" is the one of the `openai` client."""
    llm_api_key: str = ""
    """Its key. Never printed."""
    llm_model: str = ""
    """Which model is asked; "" means that --llm says what is missing."""
    network_env: dict[str, str] = field(default_factory=dict)
    """Proxy and certificate variables of this environment, for programs that we give no other environment."""


_NETWORK = (
    *("http_proxy", "https_proxy", "no_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO"),
    *("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"),
)
_SEED_NAMES = {
    "log_level": "LOG_LEVEL", "log_format": "LOG_FORMAT", "docker_host": "DOCKER_HOST",
    "default_site": "DEFAULT_SITE", "default_network": "DEFAULT_NETWORK", "default_key_name": "DEFAULT_KEY_NAME",
    "llm_base_url": "OPENAI_BASE_URL", "llm_api_key": "OPENAI_API_KEY", "llm_model": "OPENAI_MODEL",
}  # fmt: skip
_SECRETS = ("token", "llm_api_key")
_TEXT_FIELDS = (
    *("namespace", "api_listen", "gateway_listen", "url", "token", "log_level", "log_format", "runtime"),
    *("docker_host", "docker_network", "docker_base", "database_url", "node", "journal_encryption"),
    *("retention_completed", "retention_failed", "retention_dead"),
    *("retention_requests", "retention_bytes", "retention_agents", "webhook_allow", "gateway_connections"),
    *("default_site", "default_network", "default_key_name", "linode_api", "chameleon_api", "kubernetes_prices"),
    *("llm_base_url", "llm_api_key", "llm_model"),
)


def load(
    flags: Mapping[str, str | float | None] | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    env_file: Path | None = None,
) -> Settings:
    """The settings of this process. `flags` are those the user gave (None means not given).

    Raises `UsageError` naming the variable or the file and line that cannot be read.
    """
    env = os.environ if environ is None else environ
    named = _read_env_file(env_file) if env_file else {}
    paths = find_paths(env)
    user = _read_user_file(paths.config / "config.toml")

    def pick(field: str) -> str | float | None:
        own, seed = f"HOMEPORT_{field.upper()}", _SEED_NAMES.get(field, "")
        candidates = (
            (flags or {}).get(field),
            env.get(own),
            env.get(seed) if seed else None,
            named.get(own),
            named.get(seed) if seed else None,
            user.get(field),
        )
        return next((value for value in candidates if value is not None), None)

    values = {field: str(value) for field in _TEXT_FIELDS if (value := pick(field)) is not None}
    network = {name: env[name] for name in _NETWORK if env.get(name)}
    return Settings(paths=paths, idle_exit=_seconds("idle_exit", pick("idle_exit")), network_env=network, **values)


def find_paths(env: Mapping[str, str]) -> Paths:
    """The folders for this user and environment; creates nothing."""
    seed = Path(env["HOME"], ".envboot") if env.get("HOME") else None
    if home := env.get("HOMEPORT_HOME"):
        root = Path(home).expanduser().absolute()
        return Paths(root / "config", root / "state", root / "cache", root / "run", seed)
    if os.geteuid() == 0:
        config, state, cache, run = (Path(folder, "homeport") for folder in ("/etc", "/var/lib", "/var/cache", "/run"))
        return Paths(config, state, cache, run, seed)
    base = Path(env.get("HOME") or Path.home())
    runtime = env.get("XDG_RUNTIME_DIR") or str(base / ".local" / "state")
    return Paths(
        config=Path(env.get("XDG_CONFIG_HOME") or base / ".config") / "homeport",
        state=Path(env.get("XDG_STATE_HOME") or base / ".local" / "state") / "homeport",
        cache=Path(env.get("XDG_CACHE_HOME") or base / ".cache") / "homeport",
        runtime=Path(runtime) / ("homeport" if env.get("XDG_RUNTIME_DIR") else "homeport/run"),
        envboot=seed,
    )


def to_environment(settings: Settings) -> dict[str, str]:
    """The variables that make `load` find the same settings in a child process (never a secret)."""
    values = {
        f"HOMEPORT_{field.upper()}": str(getattr(settings, field))
        for field in (*_TEXT_FIELDS, "idle_exit")
        if field not in _SECRETS
    }
    return {name: value for name, value in values.items() if value}


def _seconds(name: str, value: object) -> float:
    if value is None:
        return 0.0
    try:
        seconds = float(str(value))
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < 10**9:
        raise UsageError(f"{name} must be a number of seconds, not {value!r}", subject=name)
    return seconds


def _read_env_file(path: Path) -> dict[str, str]:
    """NAME=value lines; quotes around the whole value are taken off; nothing is expanded or run."""
    values: dict[str, str] = {}
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {path}: {error}", subject=str(path)) from None
    for number, raw in enumerate(lines, 1):
        line = raw.strip().removeprefix("export ").strip()
        if not line or line.startswith("#"):
            continue
        name, separator, value = line.partition("=")
        if not separator or not name.strip().isidentifier():
            raise UsageError(f"{path}:{number}: expected NAME=value", subject=str(path))
        value = value.strip()
        if len(value) >= 2 and value[0] == value[-1] and value[0] in "'\"":
            value = value[1:-1]
        values[name.strip()] = value
    return values


def _read_user_file(path: Path) -> dict[str, str | float]:
    try:
        return tomllib.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"cannot read {path}: {error}", subject=str(path), hint="mend or remove the file") from None

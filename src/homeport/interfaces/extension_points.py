# SPDX-License-Identifier: Apache-2.0
"""Every extension point and every driver that fills it. A new driver is a folder, a line here, and its suite green.

What users add without touching Homeport is in `EXTENSIONS`; its contract is in `interfaces.extension`.

The strings are `module:name`, imported only when chosen, so that nobody pays for a driver that is not used.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from homeport.errors import UsageError

DRIVERS: dict[str, dict[str, str]] = {
    "aead": {"aes-256-gcm": "homeport.drivers.secrets.sealed:AesGcm"},
    "audit": {"file": "homeport.drivers.audits.file:FileAudit"},
    "claim": {"postgres": "homeport.drivers.claims.postgres.claim:PostgresClaim"},
    "clock": {"system": "homeport.drivers.clocks.system:SystemClock"},
    "ids": {"ulid": "homeport.drivers.clocks.system:UlidIds"},
    "cloud": {"local": "homeport.drivers.clouds.local:LocalCloud"},
    "durable": {"dbos": "homeport.drivers.durable.dbos:DbosDurable"},
    "engine": {"docker": "homeport.drivers.runtimes.docker.finding:answers"},
    "factsource": {
        "linode": "homeport.drivers.factsources.linode:LinodeFacts",
        "chameleon": "homeport.drivers.factsources.chameleon:ChameleonFacts",
    },
    "fetcher": {
        "git": "homeport.drivers.fetchers.git:GitFetcher",
        "folder": "homeport.drivers.fetchers.folder:FolderFetcher",
        "image": "homeport.drivers.fetchers.image:ImageFetcher",
        "dockerfile": "homeport.drivers.fetchers.dockerfile:DockerfileFetcher",
        "template": "homeport.drivers.fetchers.template:TemplateFetcher",
        "agents": "homeport.drivers.fetchers.agents:AgentsFetcher",
    },
    "images": {"docker": "homeport.drivers.runtimes.docker.images:DockerImages"},
    "journal": {
        "sqlite": "homeport.drivers.journals.sqlite:SqliteJournal",
        "postgres": "homeport.drivers.journals.postgres:PostgresJournal",
    },
    "llm": {"openai": "homeport.drivers.llms.openai:OpenAiLLM"},
    "passphrases": {"scrypt": "homeport.drivers.secrets.sealed:PassphraseSealer"},
    "policy": {"rego": "homeport.drivers.policies.rego:RegoPolicy"},
    "probe": {"http": "homeport.drivers.probes.http:HttpProbe"},
    "runtime": {
        "process": "homeport.drivers.runtimes.process.client:ProcessRuntime",
        "docker": "homeport.drivers.runtimes.docker.runtime:DockerRuntime",
    },
    "sealer": {"fernet": "homeport.drivers.secrets.sealed:FernetSealer"},
    "secrets": {"sealed": "homeport.drivers.secrets.sealed:SealedSecrets"},
    "store": {
        "sqlite": "homeport.drivers.stores.sql.sqlite:SqliteStore",
        "postgres": "homeport.drivers.stores.sql.postgres:PostgresStore",
    },
    "gate": {
        "folder": "homeport.drivers.stores.sql.sqlite.gate:FolderGate",
        "database": "homeport.drivers.stores.sql.postgres.gate:DatabaseGate",
    },
    "transfer": {
        "state": "homeport.drivers.stores.sql.transfer:StatePart",
        "journal in a folder": "homeport.drivers.journals.sqlite.transfer:JournalPart",
        "journal in a database": "homeport.drivers.journals.postgres.transfer:JournalPart",
        "steps": "homeport.drivers.durable.dbos.transfer:StepsPart",
    },
}


EXTENSIONS: dict[str, tuple[str, tuple[str, ...]]] = {
    "selector": ("homeport.selectors", ("select", "select_node_type")),
    "hook": (
        "homeport.hooks",
        ("before_launch", "pre_launch_hook", "after_launch", "post_launch_hook", "on_ready", "on_server_ready"),
    ),
}
"""What users add, by point: the group of entry points, and the names it goes by there and in a plugin file."""


def driver(point: str, name: str) -> Any:
    """The driver class. Raises `UsageError` naming the ones there are."""
    try:
        module, _, attribute = DRIVERS[point][name].partition(":")
    except KeyError:
        known = ", ".join(sorted(DRIVERS.get(point, {}))) or "none"
        raise UsageError(f"no {point} driver {name!r}", subject=name, hint=f"choose one of: {known}") from None
    return getattr(import_module(module), attribute)

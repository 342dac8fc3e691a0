# SPDX-License-Identifier: Apache-2.0
"""Images that stand in for those of a registry, made of programs that this machine has."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from homeport.testing.servers.engine import Engine
from homeport.testing.servers.postgres import programs

ENTRY = """#!/bin/sh
set -eu
if ! test -s "$PGDATA/PG_VERSION"; then
  initdb -D "$PGDATA" -U "$POSTGRES_USER" -A "$POSTGRES_HOST_AUTH_METHOD" --no-sync -E UTF8 --locale=C >/dev/null
  echo "CREATE DATABASE $POSTGRES_DB" | postgres --single -D "$PGDATA" postgres >/dev/null
fi
exec "$@"
"""
"""The few lines of the official image's start that compose.yaml leans on."""
DOCKERFILE = """FROM {base}
COPY root/ /
COPY --chown=1000:1000 owned/ /
ENV PATH={programs}:/usr/bin:/bin
USER 1000:1000
ENTRYPOINT ["sh", "/entry.sh"]
"""


def postgres(engine: Engine, base: str, folder: Path, name: str = "hp-stand-in-postgres:1") -> str:
    """This machine's PostgreSQL as an image on `engine`, made in `folder` from `base`."""
    installed = programs()
    root = folder / "root"
    binaries = [installed / program for program in ("postgres", "initdb", "pg_isready")]
    modules = [installed.parent / "lib" / f"{module}.so" for module in ("plpgsql", "dict_snowball")]
    shared = Path("/usr/share/postgresql", installed.parts[-2])
    for path in (*binaries, *modules, *needed(binaries)):
        target = root / str(path)[1:] if str(path).startswith("/usr") else root / "usr" / str(path)[1:]
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target)
    shutil.copytree(shared, root / str(shared)[1:], ignore=shutil.ignore_patterns("man", "*.control", "extension"))
    shutil.copytree(shared / "extension", root / str(shared)[1:] / "extension", copy_function=_only_plpgsql)
    shutil.copytree("/usr/share/zoneinfo/Etc", root / "usr/share/zoneinfo/Etc", symlinks=False)
    (root / "entry.sh").write_text(ENTRY)
    for place in ("var/lib/postgresql/data", "var/run/postgresql"):
        (folder / "owned" / place).mkdir(parents=True)
        (folder / "owned" / place / ".keep").touch()
    (folder / "Dockerfile").write_text(DOCKERFILE.format(base=base, programs=installed))
    engine.docker("build", "--quiet", "--network", "none", "--tag", name, str(folder))
    return name


def needed(binaries: list[Path]) -> list[Path]:
    """The shared libraries they are linked with, the loader included."""
    done = subprocess.run(["ldd", *map(str, binaries)], capture_output=True, text=True, check=True)
    return [Path(path) for path in sorted(set(re.findall(r"(/\S+) \(0x", done.stdout)))]


def _only_plpgsql(source: str, target: str) -> None:
    if Path(source).name.startswith("plpgsql"):
        shutil.copy2(source, target)

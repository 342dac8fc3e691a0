# SPDX-License-Identifier: Apache-2.0
"""Backup and restore."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from homeport.cli.asking import confirm
from homeport.cli.filing import keep
from homeport.cli.group import Verb
from homeport.cli.output import put, put_json, say
from homeport.cli.session import Session
from homeport.cli.times import shown
from homeport.errors import UsageError
from homeport.model.size import as_size

if TYPE_CHECKING:
    from homeport.app.backups.contents import Manifest
    from homeport.settings import Paths

VARIABLE = "HOMEPORT_BACKUP_PASSPHRASE"

passphrase_file = click.option(
    "--passphrase-file", type=click.Path(path_type=Path), metavar="FILE", help=f"Or {VARIABLE}, or the terminal."
)


@click.command(cls=Verb)
@click.argument("words", nargs=-1, metavar="[verify] FILE")
@click.option("--volumes", default="all", metavar="all|none|NAME,...", help="Whose data goes along. [all]")
@passphrase_file
@click.option("--with-key", is_flag=True, help="The key of the secrets in clear: whoever has the file has them all.")
@click.option("--no-key", is_flag=True, help="Without the key: a restore elsewhere cannot read secrets.")
@click.option("--force", is_flag=True, help="Replace FILE.")
@click.pass_obj
def backup(
    session: Session, words: tuple[str, ...], volumes: str, passphrase_file: Path | None, with_key: bool, no_key: bool,
    force: bool,
) -> None:  # fmt: skip
    """Put all that this server knows into FILE (- for stdout), while it serves; `backup verify FILE` checks one.

    Databases are of one moment. Agents go on, so their data is copied as they write it: stop one that keeps a
    database of its own. The key of the secrets goes along under a passphrase.
    """
    if len(words) == 2 and words[0] == "verify":
        _verify(session, Path(words[1]))
        return
    if len(words) != 1:
        raise UsageError(
            "name one file", operation="parse", hint="homeport backup FILE, or: homeport backup verify FILE"
        )
    if sum((with_key, no_key, passphrase_file is not None)) > 1:
        raise UsageError("--with-key, --no-key and --passphrase-file exclude each other", operation="parse")
    passphrase = "" if with_key or no_key else _passphrase(passphrase_file, twice=True)
    if with_key:
        say("warning: the key lies in the backup in clear; whoever has the file has every secret in it")
    elif not passphrase:
        say("note: without a passphrase the key is not in the backup: elsewhere its secrets cannot be read")
    wanted = {"all": None, "none": ()}.get(volumes, tuple(name for name in volumes.split(",") if name))
    pieces = session.client.backup(volumes=wanted, passphrase=passphrase, with_key=with_key)
    if words[0] == "-":
        _to_stdout(pieces)
        return
    manifest, name, size = keep(pieces, Path(words[0]), force=force)
    _show(session, manifest, name, size, f"{words[0]}: complete, {as_size(size)}")


@click.command(cls=Verb)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--into", type=click.Path(path_type=Path), metavar="FOLDER", help="As HOMEPORT_HOME. [this user's home]")
@passphrase_file
@click.option("--no-key", is_flag=True, help="Leave the key in the backup alone.")
@click.option("--replace", is_flag=True, help="In the place of the home that is there.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Check it and say what is in it.")
@click.pass_obj
def restore(
    session: Session, file: Path, into: Path | None, passphrase_file: Path | None, no_key: bool, replace: bool,
    yes: bool, dry_run: bool,
) -> None:  # fmt: skip
    """Make a home from FILE, whole or not at all. No server may run there; afterwards: homeport serve.

    Restore only what you trust: it brings tokens, and agents that start with the server.
    """
    from homeport.app.backups.restoring import inspect, restore

    if dry_run:
        manifest, name, size = inspect(file)
        _show(session, manifest, name, size, f"{file}: complete, {as_size(size)}; nothing was restored")
        return
    if session.settings.database_url:
        raise UsageError(
            "a restore makes SQLite files, and the settings name a PostgreSQL database",
            operation="restore", hint="restore without HOMEPORT_DATABASE_URL, then: homeport store copy",
        )  # fmt: skip
    paths = _paths(session, into)
    if replace:
        confirm(f"Replace the home in {paths.state} by the one in {file}?", yes=yes)
    passphrase = "" if no_key else _passphrase_of(file, passphrase_file)
    done = restore(file, paths, passphrase=passphrase, without_key=no_key, replace=replace, said=say)
    if session.json:
        put_json(done)
        return
    put(f"restored into {done.state}: {done.agents} agents, {done.requests} requests, as of {shown(done.cut_at_us)}")
    if done.interrupted:
        put(f"{done.interrupted} requests were in flight then, and were judged: homeport requests list")
    for note in done.notes:
        say(f"note: {note}")
    say("next: homeport serve" if into is None else f"next: HOMEPORT_HOME={into} homeport serve")


def _verify(session: Session, file: Path) -> None:
    from homeport.app.backups.restoring import inspect

    manifest, name, size = inspect(file)
    _show(session, manifest, name, size, f"{file}: complete, and every part of it is as it was written")


def _show(session: Session, manifest: Manifest, name: str, size: int, told: str) -> None:
    if session.json:
        put_json({"bytes": size, "sha256": name, **_shown(manifest)})
        return
    put(told)
    for what, value in _shown(manifest).items():
        if isinstance(value, dict):
            value = ", ".join(f"{count} {kind}" for kind, count in sorted(value.items()))
        if isinstance(value, list | tuple):
            value = "; ".join(value)
        if value not in ("", 0):
            put(f"  {what.replace('_', ' ') + ':':15}{value}")


def _shown(manifest: Manifest) -> dict[str, Any]:
    return {
        "made_by": f"homeport {manifest.version} on {manifest.node}",
        "as_of": shown(manifest.cut_at_us),
        "records": manifest.records,
        "requests": manifest.requests,
        "audit_entries": manifest.audit_entries,
        "files": len(manifest.members),
        "volumes": len(manifest.volumes),
        "key": manifest.keys,
        "left_out": list(manifest.left_out),
    }


def _to_stdout(pieces: Iterator[bytes]) -> None:
    if sys.stdout.isatty():
        raise UsageError("a backup is no text for a terminal", operation="backup", hint="homeport backup FILE")
    for piece in pieces:
        sys.stdout.buffer.write(piece)
    sys.stdout.buffer.flush()
    say("written; check it where it is kept: homeport backup verify FILE")


# ── passphrases ──────────────────────────────────────────────────────────────────────────────────────────────────
def _passphrase_of(file: Path, given: Path | None) -> str:
    """Asked for on a terminal only where the backup has a key under one: that is seen before the long part begins."""
    if given is not None or os.environ.get(VARIABLE):
        return _passphrase(given, twice=False)
    from homeport.app.backups.restoring import sealed

    return _passphrase(None, twice=False) if sealed(file) else ""


def _passphrase(file: Path | None, *, twice: bool) -> str:
    """From the file, the environment or the terminal; "" where there is none of them. Never an argument."""
    if file is not None:
        try:
            text = file.read_text().rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"cannot read {file}: {error}", operation="backup", subject=str(file)) from None
        if not text:
            raise UsageError(f"{file} is empty", operation="backup", subject=str(file))
        return text
    if text := os.environ.get(VARIABLE, ""):
        return text
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return ""
    from getpass import getpass

    text = getpass("passphrase for the key (empty: without the key): " if twice else "passphrase: ", stream=sys.stderr)
    if twice and text and getpass("once more: ", stream=sys.stderr) != text:
        raise UsageError("the two are not the same", operation="backup")
    return text


def _paths(session: Session, into: Path | None) -> Paths:
    from homeport.settings import find_paths

    return session.settings.paths if into is None else find_paths({"HOMEPORT_HOME": str(into)})

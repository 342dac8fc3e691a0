# SPDX-License-Identifier: Apache-2.0
"""Starting and stopping the server of this machine."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

from homeport.cli.output import say
from homeport.errors import HomeportError, Unavailable, error_from_dict

if TYPE_CHECKING:
    from pathlib import Path

    from homeport.client import Client
    from homeport.settings import Settings

READY_S = 60.0
STOP_S = 120.0
RESTART_S = 90.0


def ensure(client: Client) -> bool:
    """A server that answers: the one there is, or a new one on this machine. True if it was started here."""
    try:
        client.health()
        return False
    except Unavailable:
        if client.settings.url:
            raise
    say("starting a server on this machine ...")
    try:
        pid = start(client.settings)
    except HomeportError:
        if not _answers(client):  # somebody else's start may have won the race for the lock
            raise
        return False
    say(f"server is up (pid {pid}, log {client.settings.paths.logs / 'serve.log'})")
    return True


def revive(client: Client) -> None:
    """Start a server again where not even its keeper is left; one that merely restarts is left alone."""
    from homeport.client.sockets import connect_unix

    if client.settings.url:
        return
    try:
        connect_unix(client.settings.paths.keeper_socket, 1.0).close()
    except OSError:
        ensure(client)


def start(settings: Settings) -> int:
    """The pid of a keeper in a session of its own, once everything is up. Raises what it said when it ended.

    The very first start makes an admin token: it is shown here, on stderr, and never again.
    """
    from homeport.serve.first_token import FirstToken

    settings.paths.create()
    first_token = FirstToken(settings.paths.admin_token)
    settings.paths.logs.mkdir(mode=0o700, parents=True, exist_ok=True)
    log_file = settings.paths.logs / "serve.log"
    log = os.open(log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    reader, writer = os.pipe()
    try:
        offset = os.lseek(log, 0, os.SEEK_END)
        process = subprocess.Popen(
            [*_command(), "--ready-fd", str(writer)],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/",
            start_new_session=True, pass_fds=[writer], env=environment(settings),
        )  # fmt: skip
    finally:
        os.close(log)
        os.close(writer)
    try:
        first = _first_line(reader)
        if first != "ready":
            _explain(process, first, log_file, offset)
    except BaseException:
        process.terminate()
        process.wait()
        raise
    finally:
        os.close(reader)
    if news := first_token.news():
        say(news)
    return process.pid


def replace_with_server(settings: Settings) -> NoReturn:
    """This process becomes the keeper, in the foreground."""
    command = _command()
    os.chdir("/")
    sys.stdout.flush()
    os.execve(command[0], command, environment(settings))  # noqa: S606  (argv, no shell)


def stop(settings: Settings) -> int:
    """Ends server, gateway and agents, in order. The pid that is gone. Raises `Unavailable` where none runs."""
    try:
        with _keeper(settings, 10.0) as lines:
            pid = int(_ask(lines, "status").get("pid", 0))
            watched = os.pidfd_open(pid)
            try:
                _ask(lines, "shutdown")
                if not select.select([watched], [], [], STOP_S)[0]:
                    raise Unavailable(f"the server (pid {pid}) does not end", operation="stop", hint="see its log")
            finally:
                os.close(watched)
            return pid
    except (OSError, ValueError) as error:
        raise _nobody(settings, "stop", error) from None


def restart(settings: Settings, process: str) -> dict[str, Any]:
    """Replaces one process of the server; the status once the new one is up. Raises what it ended with if it is not,
    `Unavailable` where no server runs."""
    try:
        with _keeper(settings, RESTART_S) as lines:
            return _ask(lines, "restart", process=process)
    except (OSError, ValueError) as error:
        raise _nobody(settings, "restart", error) from None


def environment(settings: Settings) -> dict[str, str]:
    """For the keeper: our settings, absolute folders, and no import from the folder one happens to stand in."""
    from homeport.settings import to_environment

    own = dict(os.environ) | to_environment(settings) | {"PYTHONSAFEPATH": "1", "PYTHONUNBUFFERED": "1"}
    for foreign in ("HOMEPORT_URL", "HOMEPORT_TOKEN"):
        own.pop(foreign, None)
    if own.get("HOMEPORT_HOME"):
        own["HOMEPORT_HOME"] = str(settings.paths.config.parent)
    return own


def _command() -> list[str]:
    return [sys.executable, "-P", "-m", "homeport.serve.keeper"]


def _first_line(reader: int) -> str:
    """ "ready", or "failed: why"; "" when the keeper said neither before it ended or the time was up."""
    said, begun, told = b"", time.monotonic(), 0
    while (spent := time.monotonic() - begun) < READY_S:
        if select.select([reader], [], [], 1.0)[0]:
            chunk = os.read(reader, 4096)
            said += chunk
            if not chunk or b"\n" in said:
                return said.decode(errors="replace").strip()
        elif spent - told >= 5:
            told = int(spent)
            say(f"still starting ({told} s) ...")
    return ""


def _explain(process: subprocess.Popen[bytes], first: str, log_file: Path, offset: int) -> NoReturn:
    """Raises what the keeper said, from `offset` of its log on; its last words, the hint, come when it ends."""
    try:
        process.wait(timeout=5.0)
    except subprocess.TimeoutExpired:
        slow = f"the server was not up within {READY_S:g} s"
        raise Unavailable(slow, operation="serve", hint=f"see {log_file}") from None
    with log_file.open("rb") as log:
        log.seek(offset)
        cause, _, hint = log.read(65536).decode(errors="replace").partition("hint: ")
    cause = (
        first.removeprefix("failed: ")
        or cause.strip().removeprefix("error: ")
        or f"it ended with status {process.returncode}"
    )
    raise HomeportError(f"the server did not start: {cause}", operation="serve", hint=hint.strip() or f"see {log_file}")


def _answers(client: Client) -> bool:
    """Whether another start is under way, and gets there. A socket shows within a second if so."""
    for attempt in range(100):
        try:
            client.health()
            return True
        except Unavailable:
            if attempt > 10 and not client.settings.paths.api_socket.exists():
                return False
            time.sleep(0.1)
    return False


@contextmanager
def _keeper(settings: Settings, timeout: float) -> Iterator[Any]:
    """Lines to and from the keeper of this machine."""
    from homeport.client.sockets import connect_unix

    with connect_unix(settings.paths.keeper_socket, timeout) as sock, sock.makefile("rwb") as lines:
        yield lines


def _nobody(settings: Settings, operation: str, error: Exception) -> Unavailable:
    subject = str(settings.paths.keeper_socket)
    return Unavailable(f"no server runs on this machine: {error}", operation=operation, subject=subject)


def _ask(lines: Any, op: str, **given: str) -> dict[str, Any]:
    lines.write(json.dumps({"id": 1, "op": op, **given}).encode() + b"\n")
    lines.flush()
    answer = json.loads(lines.readline())
    if "error" in answer:
        raise error_from_dict(answer["error"])
    found: dict[str, Any] = answer["ok"]
    return found

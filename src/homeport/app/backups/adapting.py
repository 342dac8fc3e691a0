# SPDX-License-Identifier: Apache-2.0
"""What a restored home must not believe: that its instances run, and that it is where it was. Then it says that it was
restored, in its events and on its audit trail. All of it through the drivers, on files that nobody uses yet."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from homeport.app.backups.contents import AGENT_ID, Manifest
from homeport.app.compose import made, opened
from homeport.app.eventlog import EventLog
from homeport.app.loops.publish import route_of
from homeport.errors import HomeportError
from homeport.gateway.core.access import Routes
from homeport.gateway.tables import NOTE
from homeport.interfaces.journal import Journal
from homeport.interfaces.secrets import Sealer
from homeport.interfaces.store import Store
from homeport.model.agent import Agent, AgentState, Desired
from homeport.model.codec import from_json, to_json
from homeport.model.names import DEFAULT_NAMESPACE
from homeport.model.route import RoutingTable
from homeport.model.secret import Secret
from homeport.model.token import Token

_ENDED = (AgentState.STOPPED, AgentState.CRASHED)
AWAY = "restored from a backup; it starts with the server"
INTERRUPTED = "it was in flight when the backup was made"


@dataclass(frozen=True, slots=True)
class Adapted:
    """`tokens` are the digests of all of them; `opens` is whether the key opens what is sealed (None: nothing is)."""

    agents: int
    interrupted: int
    tokens: frozenset[str]
    opens: bool | None
    notes: tuple[str, ...]


async def adapt(state: Path, key_file: Path, manifest: Manifest, archive: str) -> Adapted:
    """`state` holds the databases as they came out of the archive; `key_file` is made if it is not there.

    `archive` names it on the audit trail. Raises `HomeportError` for databases that are newer than this program,
    damaged, or name code outside of the home.
    """
    sealer: Sealer = made("sealer", "fernet", key_file=key_file)
    store = await opened("store", "sqlite", path=state / "state.db")
    try:
        agents = await _agents(store, manifest)
        tokens = frozenset([stored.record.sha256 for stored in await store.list(Token, limit=1_000_000)])
        opens = await _opens(store, sealer)
        told = f"restored from a backup of {manifest.node}"
        clock, ids = made("clock", "system"), made("ids", "ulid")
        data = {"node": manifest.node, "cut_at_us": manifest.cut_at_us}
        await EventLog(store, clock, ids).append(DEFAULT_NAMESPACE, "server.restored", manifest.node, told, data)  # type: ignore[arg-type]
    finally:
        await store.close()
    journal = made("journal", "sqlite", path=state / "journal.db")
    try:
        interrupted = await _requests(journal, agents)
    finally:
        await journal.close()
    (state / "journal.db.lock").unlink(missing_ok=True)
    notes = await _trail(state / "audit.jsonl", sealer, manifest, archive)
    return Adapted(len(agents), interrupted, tokens, opens, notes)


def revived(agent: Agent, old_agents: str) -> Agent:
    """The agent as one that has no instance, and is to be started if it was wanted running.

    Raises `HomeportError` where its code lies outside of the folder of all agents.
    """
    if not AGENT_ID.fullmatch(agent.id):
        raise HomeportError(f"the backup is refused: {agent.id[:80]!r} is no agent's id", operation="restore")
    state = agent.state
    if state not in _ENDED or agent.desired is Desired.RUNNING:
        state = AgentState.CREATED if agent.desired is Desired.RUNNING else AgentState.STOPPED
    workload = replace(agent.workload, code=_inside(agent.workload.code, old_agents, agent.name))
    detail = agent.detail if state is agent.state else ""
    return replace(agent, state=state, workload=workload, endpoint="", detail=detail)


def _inside(code: str, old_agents: str, name: str) -> str:
    if not code:
        return code
    place = PurePosixPath(code)
    if place.is_absolute() and place.is_relative_to(old_agents):  # as older versions recorded it
        place = place.relative_to(old_agents)
    if place.is_absolute() or ".." in place.parts:
        raise HomeportError(
            f"the backup is refused: the code of {name!r} would be outside of the home", operation="restore"
        )
    return str(place)


async def _agents(store: Store, manifest: Manifest) -> list[Agent]:
    found = []
    for stored in await store.list(Agent, limit=1_000_000):
        agent = revived(stored.record, f"{manifest.state}/agents")
        if agent != stored.record:
            await store.put(agent, namespace=stored.namespace, key=stored.key, expected=stored.revision)
        found.append(agent)
    return found


async def _opens(store: Store, sealer: Sealer) -> bool | None:
    for stored in await store.list(Secret, limit=1):
        try:
            sealer.unseal(stored.record.sealed.encode())
        except HomeportError:
            return False
        return True
    return None


async def _requests(journal: Journal, agents: list[Agent]) -> int:
    """Nobody is reached at the old addresses; what was in flight there is judged now. How many that were.

    A journal that was in a database came without a table, and a gateway without one knows no agent.
    """
    raw = await journal.get_note(NOTE)
    routes = tuple(route_of(agent) for agent in agents)
    table = from_json(raw, RoutingTable) if raw is not None else RoutingTable(0, routes, ())
    away = tuple(replace(route, endpoint="", instance="", ready=False, reason=AWAY) for route in table.routes)
    await journal.put_note(NOTE, to_json(replace(table, routes=away)))
    known = Routes()
    known.replace(table)
    judged = 0
    while found := await journal.interrupted(owner="", now_us=1 << 62):
        for request in found:
            verdict = known.verdict_on(request, INTERRUPTED)
            released = await journal.release(
                request.id, request.fence, verdict.state, outcome=verdict.outcome, attempted=verdict.attempted
            )
            if not released:
                raise HomeportError(f"the journal is damaged: {request.id} keeps its lease", operation="restore")
            judged += 1
    return judged


async def _trail(path: Path, sealer: Sealer, manifest: Manifest, archive: str) -> tuple[str, ...]:
    """It goes on where it was, and says so. A chain that does not fit is left as it is: it says that itself."""
    audit = made("audit", "file", path=path, sealer=sealer)
    notes: tuple[str, ...] = ()
    try:
        try:
            await audit.adopt()
        except HomeportError as error:
            notes = (f"the audit trail did not fit before the restore: {error.message}",)
        await audit.append(
            namespace=DEFAULT_NAMESPACE, actor=f"local:{os.geteuid()}", action="server.restored", subject=manifest.node,
            allowed=True, detail={"archive": archive, "cut_at_us": str(manifest.cut_at_us)},
        )  # fmt: skip
    finally:
        await audit.close()
    return notes

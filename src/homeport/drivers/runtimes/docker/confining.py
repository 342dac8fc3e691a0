# SPDX-License-Identifier: Apache-2.0
"""The walls around agents in containers, in words."""

from __future__ import annotations

from collections.abc import Mapping

from homeport.drivers.runtimes.docker.facts import Facts
from homeport.model.instance import Confinement

_LIMITS = {
    "memory": "memory limit (the engine's kernel has none)",
    "swap": "memory limit on swap (the engine's kernel does not count it)",
    "cpu": "cpu limit (the engine's kernel has none)",
    "pids": "process limit (the engine's kernel has none)",
}


def describe(facts: Facts, mode: str, holes: Mapping[str, str]) -> Confinement:
    """`holes`: bridge → why its containers can reach this machine's services."""
    enforced = [
        f"a container of {facts.engine} of its own, without capabilities or a way to new privileges",
        "a root file system it cannot change",
        *(f"{name} limit" for name in ("memory", "cpu", "pids") if name not in facts.unlimited),
        "open files limit",
        "log size limit",
    ]
    missing = [_LIMITS[name] for name in facts.unlimited]
    if facts.seccomp:
        enforced.append("a list of system calls, without io_uring")
    else:
        missing.append("a list of system calls (the engine has no seccomp)")
    hint = ""
    if mode == "sealed":
        enforced.append("no network at all, but its port to the gateway; no published port")
    elif mode == "joined":
        enforced.append("an internal network with nobody but Homeport's own container; no published port")
        missing.append("Homeport's own ports in its container can be reached (they ask for a token)")
    else:
        enforced.append("an internal network on which agents do not see each other; no published port")
        hint = "agents must listen on all addresses ($HOST), not on loopback"
    if mode != "sealed" and facts.why_not:
        missing.append(f"sealing: {facts.why_not}")
    missing += [f"this machine's services can be reached through {bridge}: {why}" for bridge, why in holes.items()]
    return Confinement("container", tuple(enforced), tuple(missing), hint)

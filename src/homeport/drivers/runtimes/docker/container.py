# SPDX-License-Identifier: Apache-2.0
"""What the engine is asked to create for one instance, as data."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from homeport.drivers.runtimes.docker import machine
from homeport.drivers.runtimes.docker.options import APP, DATA, LABEL, OWN
from homeport.errors import HomeportError, UsageError
from homeport.model.instance import InstanceSpec

INIT_VERBOSITY = "TINI_VERBOSITY"
_INIT = f"{OWN}/init"
LOG_FILES = 4
TMP_BYTES = 64 * 1024 * 1024
_SPARE_PIDS = 4
"""For the engine's init, on top of what the program may have."""
_SMALLEST_LOG = 4096
_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


@dataclass(frozen=True)
class Root:
    """What an instance stands on. `command` is the image's own, used where the workload has none; `path` is PATH
    inside; `own` is true for a program that is in the image with its files."""

    image: str
    mounts: tuple[dict[str, Any], ...]
    user: str = ""
    path: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    command: tuple[str, ...] = ()
    own: bool = False


@dataclass(frozen=True)
class Way:
    """How an instance is reached: the network it is in, the kind of its endpoint, and where it should listen."""

    network: str
    kind: str
    listen: str = ""


def container_name(home: str, instance: str) -> str:
    return f"homeport-{home}-{instance}"


def check(spec: InstanceSpec) -> None:
    """Ids become names. Raises `UsageError` for anything but plain words, `HomeportError` for what no program takes."""
    for text, what in ((spec.instance, "instance id"), (spec.agent_id, "agent id")):
        if not _SAFE.fullmatch(text):
            raise UsageError(f"{text!r} is not a valid {what}", operation="start", subject=text)
    words = [*spec.workload.start, *spec.env, *spec.env.values()]
    if any("\0" in word for word in words) or any("=" in name or not name for name in spec.env):
        raise HomeportError(
            f"cannot start {spec.name}: arguments and environment must not hold NUL, names no '='",
            operation="start", subject=spec.name,
        )  # fmt: skip


def environment(spec: InstanceSpec, root: Root, way: Way) -> dict[str, str]:
    """What the program sees, but for what its image adds; values given by the caller win over ours."""
    env: dict[str, str] = {}
    if not root.own:
        home = "/tmp" if spec.job else DATA  # noqa: S108  inside the container
        env = {"HOME": home, "LANG": "C.UTF-8", "USER": "agent", "PYTHONUNBUFFERED": "1", "PATH": root.path}
    if way.listen:
        env["HOST"] = way.listen
    env |= spec.env | {"HOMEPORT_DATA": DATA}
    if not spec.job:
        env["PORT"] = str(spec.workload.port)
    return env


def create_request(
    spec: InstanceSpec,
    root: Root,
    way: Way,
    *,
    home: str,
    seccomp: str,
    limits: Mapping[str, int],
    init: str = "",
) -> Any:
    """The body of /containers/create. `limits`: the resource limits to set; `init`: one of this
    machine instead of the engine's own."""
    env = environment(spec, root, way)
    seen = {**root.env, **env}
    words = [expand(word, seen) for word in spec.workload.start] or list(root.command)
    if not words:
        raise HomeportError(f"cannot start {spec.name}: nothing says how", operation="start", subject=spec.name)
    mounts = list(root.mounts)
    if init:
        mounts.append(machine.bind(init, _INIT))
        words = [_INIT, "--", *words]
    wanted = spec.workload.limits
    host: dict[str, Any] = {
        "NetworkMode": way.network,
        "Mounts": mounts,
        "Init": not init,
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges:true", *([f"seccomp={seccomp}"] if seccomp else [])],
        "ReadonlyRootfs": True,
        "RestartPolicy": {"Name": "no"},
        "LogConfig": _logs(wanted.log_bytes),
        "Ulimits": machine.ulimits({"core": 0, **limits}),
        "Tmpfs": {},
    }
    if not spec.job:  # an agent's /tmp is memory and counts towards its limit; a job's is on disk
        host["Tmpfs"]["/tmp"] = f"size={TMP_BYTES},mode=1777"  # noqa: S108  inside the container
    if root.own:
        host["Tmpfs"]["/run"] = f"size={TMP_BYTES},mode=1777"
    if wanted.memory_bytes:
        host |= {"Memory": wanted.memory_bytes, "MemorySwap": wanted.memory_bytes}
    if wanted.cpus:
        host["NanoCpus"] = int(wanted.cpus * 1e9)
    if wanted.pids:
        host["PidsLimit"] = wanted.pids + _SPARE_PIDS
    request: dict[str, Any] = {
        "Image": root.image,
        "Hostname": spec.name[:63] or "agent",
        "Entrypoint": words[:1],
        "Cmd": words[1:],
        "Env": [f"{name}={value}" for name, value in (env | {INIT_VERBOSITY: "2"}).items()],
        "Labels": labels(spec, home),
        "HostConfig": host,
        "StopSignal": "SIGTERM",
        "Healthcheck": {"Test": ["NONE"]},
    }
    if spec.job:
        request["Volumes"] = {"/tmp": {}}  # noqa: S108  anonymous: goes with the container
    if root.user:
        request["User"] = root.user
    if not root.own:
        request["WorkingDir"] = APP
    return request


def labels(spec: InstanceSpec, home: str) -> dict[str, str]:
    """Whose it is, and what a server that finds it must know; nothing secret."""
    return {
        f"{LABEL}.home": home,
        f"{LABEL}.instance": spec.instance,
        f"{LABEL}.agent": spec.agent_id,
        f"{LABEL}.namespace": spec.namespace,
        f"{LABEL}.name": spec.name,
        f"{LABEL}.port": "0" if spec.job else str(spec.workload.port),
        f"{LABEL}.log-bytes": str(spec.workload.limits.log_bytes),
    }


def expand(word: str, env: Mapping[str, str]) -> str:
    """`$NAME` and `${NAME}` from the instance's environment; unknown names stay as they are. No shell is involved."""

    def value(match: re.Match[str]) -> str:
        return env.get(match[1] or match[2], match[0])

    return re.sub(r"\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)\})", value, word)


def _logs(limit: int) -> dict[str, Any]:
    """Files that the engine rotates by itself and can be read from any place of."""
    size = {"max-size": str(max(limit, _SMALLEST_LOG)), "max-file": str(LOG_FILES)} if limit else {}
    return {"Type": "json-file", "Config": size}

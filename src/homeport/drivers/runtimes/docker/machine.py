# SPDX-License-Identifier: Apache-2.0
"""This machine's programs, as containers without an image of their own are shown them: read-only."""

from __future__ import annotations

import hashlib
import io
import os
import resource
import shutil
import sys
import tarfile
from functools import cache
from pathlib import Path
from typing import Any

from homeport.drivers.runtimes.docker.options import APP, OWN

AGENT_ID = 1000
_LINKS = ("bin", "lib", "lib32", "lib64", "libx32")
# /sbin is a folder of the image: engines put their init there, and /usr over it would hide it.
_ETC = (
    *("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "alternatives", "localtime", "mime.types"),
    *("ssl/certs", "ssl/openssl.cnf", "ca-certificates", "pki/tls/certs", "pki/ca-trust"),
)
_INSTALLED = (".venv/bin", ".homeport/site/bin", "node_modules/.bin")


@cache
def python() -> str:
    """The interpreter this runs on, without the virtual environment around it."""
    return os.path.realpath(sys.executable)


def mounts(own: Path) -> list[dict[str, Any]]:
    """/usr, what /etc must hold for it, and the interpreters outside it; never anything a workload names."""
    shown = {"/usr": "/usr"}
    shown |= {
        f"/{name}": f"/{name}" for name in _LINKS if Path("/", name).is_dir() and not Path("/", name).is_symlink()
    }
    shown |= {f"/etc/{name}": f"/etc/{name}" for name in _ETC if Path("/etc", name).exists()}
    shown |= {path: path for path in _prefixes()}
    shown[str(own / "bin")] = f"{OWN}/bin"
    return [bind(source, target) for source, target in shown.items()]


def bind(source: str, target: str, *, writable: bool = False) -> dict[str, Any]:
    """A folder or file of this machine at `target`; an error where the engine does not see it."""
    return {"Type": "bind", "Source": source, "Target": target, "ReadOnly": not writable}


def static_init() -> str:
    """A tini that runs in any container, as Docker's own; "" where there is none."""
    for name in ("docker-init", "tini-static"):
        if found := shutil.which(name, path="/usr/bin:/usr/libexec/docker:/usr/local/bin:/bin"):
            return os.path.realpath(found)
    return ""


def hard_limits() -> dict[str, int]:
    """What this process, and so an engine beside it, cannot go beyond: open files, and processes of a user."""
    files, processes = (resource.getrlimit(kind)[1] for kind in (resource.RLIMIT_NOFILE, resource.RLIMIT_NPROC))
    most = int(Path("/proc/sys/kernel/pid_max").read_text())
    return {
        "nofile": files if files != resource.RLIM_INFINITY else 1 << 20,
        "nproc": min(processes, most) if processes != resource.RLIM_INFINITY else most,
    }


def ulimits(limits: dict[str, int]) -> list[dict[str, Any]]:
    return [{"Name": name, "Soft": value, "Hard": value} for name, value in limits.items()]


def search_path(*, job: bool, after: str = "") -> str:
    """PATH inside: what was installed with the code, then this machine's, or `after` (an image's own)."""
    installed = [] if job else [f"{APP}/{folder}" for folder in _INSTALLED]
    node = os.path.dirname(os.path.realpath(shutil.which("node") or "/usr/bin/node"))  # noqa: PTH120
    machine = [f"{OWN}/bin", "/usr/local/bin", "/usr/bin", "/bin", node]
    return ":".join(dict.fromkeys([*installed, *(after.split(":") if after else machine)]))


def write_own_files(own: Path) -> None:
    """Both names of Python, which manifests use and Debian has one of."""
    names = own / "bin"
    names.mkdir(parents=True, exist_ok=True)
    names.chmod(0o755)  # the agent's user reads it, whatever our umask
    for name in ("python", "python3"):
        link = names / name
        if not link.is_symlink() or str(link.readlink()) != python():
            fresh = names / f".{name}-{os.getpid()}"
            fresh.unlink(missing_ok=True)
            fresh.symlink_to(python())
            fresh.replace(link)


def user_files(own: Path, uid: int, gid: int) -> list[dict[str, Any]]:
    """/etc/passwd and group in which the agent's user has a name."""
    folder = own / "etc" / f"{uid}"
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    texts = {"passwd": f"agent:x:{uid}:{gid}::/data:/bin/sh\n", "group": f"agent:x:{gid}:\n"}
    for name, text in texts.items():
        path = folder / name
        if not path.exists():
            written = folder / f".{name}-{os.urandom(4).hex()}"
            written.write_text(f"root:x:0:0::/:/bin/false\n{text}" if name == "passwd" else f"root:x:0:\n{text}")
            written.chmod(0o644)
            written.replace(path)
    return [bind(str(folder / name), f"/etc/{name}") for name in texts]


@cache
def root_archive() -> tuple[str, bytes]:
    """Name and tar of the image below those mounts: empty but for links like this machine's, and the same each time."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, mode in (
            ("usr", 0o755),
            ("etc", 0o755),
            ("tmp", 0o1777),
            ("run", 0o755),
            ("app", 0o755),
            ("sbin", 0o755),
        ):
            info = tarfile.TarInfo(name)
            info.type, info.mode = tarfile.DIRTYPE, mode
            tar.addfile(info)
        for name in _LINKS:
            path = Path("/", name)
            if path.is_symlink():
                info = tarfile.TarInfo(name)
                info.type, info.linkname = tarfile.SYMTYPE, str(path.readlink())
                tar.addfile(info)
        for name, content in _FILES.items():
            info = tarfile.TarInfo(f"etc/{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    content = buffer.getvalue()
    return f"homeport-root-{hashlib.sha256(content).hexdigest()[:12]}:latest", content


_FILES = {
    "passwd": f"root:x:0:0::/:/bin/false\nagent:x:{AGENT_ID}:{AGENT_ID}::/data:/bin/sh\n".encode(),
    "group": f"root:x:0:\nagent:x:{AGENT_ID}:\n".encode(),
    "nsswitch.conf": b"passwd: files\ngroup: files\nhosts: files dns\n",
}


def _prefixes() -> list[str]:
    """Folders outside /usr that interpreters need: those of this Python and of the Node on this PATH."""
    node = os.path.realpath(shutil.which("node") or "/usr/bin/node")
    home = os.path.realpath(Path.home())
    found = [sys.base_prefix, sys.prefix, node, str(Path(node).parent.parent / "lib" / "node_modules")]
    return [
        path
        for path in dict.fromkeys(map(os.path.realpath, found))
        if not path.startswith("/usr/") and path not in ("/", "/usr", home) and Path(path).exists()
    ]

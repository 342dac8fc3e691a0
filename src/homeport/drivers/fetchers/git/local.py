# SPDX-License-Identifier: Apache-2.0
"""Where a local repository keeps its objects, and whether they are its own."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

from homeport.errors import InvalidSource
from homeport.model.paths import printable

_LONGEST = 4096
_MOST = 20_000


def git_dir_of(folder: Path) -> str | None:
    """`folder/.git`, or the folder itself if it is a bare repository; None where it is neither."""
    try:
        if (folder / ".git").exists():
            return str(folder / ".git")
        bare = (folder / "HEAD").is_file() and (folder / "objects").is_dir() and (folder / "refs").is_dir()
    except OSError:
        return None
    return str(folder) if bare else None


def check_own(folder: Path, git_dir: Path) -> None:
    """Raises `InvalidSource` where what stands in `git_dir` leads to objects of another repository.

    A folder from elsewhere could otherwise name a private repository of this user, and have its files handed over.
    A work tree may lead to the repository that it belongs to, since that one names it in turn.
    """
    home = git_dir
    if git_dir.is_symlink() or not git_dir.is_dir():
        target = _pointed(folder, git_dir)
        if target is None or not _names_back(target, git_dir):
            raise _foreign(folder, "leads to another repository, which does not know this folder")
        home = target.parent.parent
    try:
        strange = _leads_out(home)
    except OSError as error:
        raise _foreign(folder, f"cannot be read: {error.strerror}") from None
    if strange:
        raise _foreign(folder, f"keeps its {strange} in another repository")


def _leads_out(home: Path) -> str:
    """What of the repository is elsewhere; "" if all of it is its own."""
    if (home / "commondir").exists():
        return "objects"
    parts = (home / "HEAD", home / "refs", home / "objects")
    within = [path for name in ("", "pack", "info") for path in _listed(home / "objects" / name)]
    if link := next((path for path in (*parts, *within) if path.is_symlink()), None):
        return printable(str(link.relative_to(home)), 80)
    alternates = home / "objects" / "info" / "alternates"
    return "objects" if alternates.exists() and alternates.stat().st_size else ""


def _listed(folder: Path) -> list[Path]:
    return list(islice(folder.iterdir(), _MOST)) if folder.is_dir() else []


def _names_back(target: Path, git_dir: Path) -> bool:
    """Whether `target` is the entry that a repository keeps for the work tree of `git_dir`."""
    back, common = _line(target / "gitdir"), _line(target / "commondir")
    return (
        bool(back and common)
        and (target / back).resolve() == git_dir.resolve()
        and target.parent.name == "worktrees"
        and (target / common).resolve() == target.parent.parent
    )


def _foreign(folder: Path, what: str) -> InvalidSource:
    return InvalidSource(
        f"the repository in {printable(str(folder), 160)} {what}",
        operation="fetch",
        subject=str(folder),
        hint="give the repository itself, or a plain clone of it; a submodule is not read on its own",
    )


def _pointed(folder: Path, git_dir: Path) -> Path | None:
    if git_dir.is_symlink() or not git_dir.is_file():
        return None
    text = _line(git_dir)
    return (folder / text.removeprefix("gitdir:").strip()).resolve() if text.startswith("gitdir:") else None


def _line(path: Path) -> str:
    """The first line of a small plain file; "" for anything else."""
    try:
        if not path.is_file():
            return ""
        with path.open("rb") as file:
            return file.read(_LONGEST).decode(errors="replace").partition("\n")[0].strip()
    except (OSError, ValueError):
        return ""

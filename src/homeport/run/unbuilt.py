# SPDX-License-Identifier: Apache-2.0
"""What would not start, said before anything is done: a program that nothing here has, nor builds."""

from __future__ import annotations

from collections.abc import Callable

from homeport.errors import Unavailable
from homeport.model.evidence import Origin
from homeport.model.paths import printable
from homeport.model.requirements import Ecosystem, Requirements

_SAID = (Origin.USER, Origin.MANIFEST)


def refuse_unbuilt(needs: Requirements, *, builds: bool, has: Callable[[str], bool]) -> None:
    """Raise `Unavailable` where its start command names a program that is not there and that no image brings.

    `builds` says whether its image is built first; `has` whether this machine has a program, by its name or its
    absolute path, as `shutil.which` knows it. A command that the user or the manifest says is taken at their word, and
    so is a file of the repository's own.
    """
    if builds or needs.image is not None or needs.start is None or needs.start.origin in _SAID:
        return
    program = next((word for word in needs.start.value if word != "env" and "=" not in word), "")
    own = "/" in program and not program.startswith("/")
    if not program or own or needs.ecosystem.value in (Ecosystem.PYTHON, Ecosystem.NODE) or has(program):
        return
    where = needs.start.evidence[0] if needs.start.evidence else None
    said = f" ({printable(where.file, 100)}:{where.line})" if where else ""
    if needs.dockerfile is not None:
        hint = f"{printable(needs.dockerfile.value, 100)} builds it: start Docker or Podman, or leave out --runtime"
    else:
        hint = f"install {printable(program, 60)}, add a Dockerfile, or say with --start what is built already"
    raise Unavailable(
        f"it is started by {printable(program, 60)}{said}, which this machine does not have",
        operation="up", subject=program, hint=hint,
    )  # fmt: skip

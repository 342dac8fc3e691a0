# SPDX-License-Identifier: Apache-2.0
"""A repository holds more than one language; what one of them says of its version or its start is not the others'."""

from __future__ import annotations

from homeport.analyze.claims import Claim, Claims
from homeport.model.evidence import Origin
from homeport.model.requirements import Ecosystem

INSTALLED = frozenset({Ecosystem.PYTHON, Ecosystem.NODE})
"""What Homeport installs the dependencies of by itself. The others are built into an image."""
_MANIFESTS = {
    Ecosystem.NODE: ("package.json", "package-lock.json", "npm-shrinkwrap.json"),
    Ecosystem.PYTHON: (".txt", ".toml", "setup.py", "setup.cfg"),
}
_UNCLEAR = frozenset({Ecosystem.UNKNOWN, Ecosystem.DOCKERFILE, Ecosystem.IMAGE})


def leave_out_others(claims: Claims, main: Ecosystem) -> None:
    """Drop what other ecosystems' rules say of version, start and installation, where one of the main one's is there.

    The rules of an ecosystem are those whose names begin with its name.
    """
    if main in _UNCLEAR:
        return
    others = {str(one) for one in Ecosystem if one not in _UNCLEAR and one is not main}
    for field in ("runtime_version", "language_version", "start"):
        said = [one for one in claims.all if one.field == field]
        if field != "start" or any(_of(one) not in others for one in said):
            dropped = {id(one) for one in said if _of(one) in others}
            claims.all[:] = [one for one in claims.all if id(one) not in dropped]
    endings = _MANIFESTS.get(main, ())
    claims.installs[:] = [
        item
        for item in claims.installs
        if item[0] in (Origin.USER, Origin.MANIFEST) or (endings and all(one.endswith(endings) for one in item[1]))
    ]


def _of(claim: Claim) -> str:
    return claim.evidence.rule.partition(".")[0]

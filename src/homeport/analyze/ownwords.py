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
_RULES = {"C++": "cpp", "CUDA": "cpp", "Go": "go", "Java": "java", "Julia": "julia", "PHP": "php", "Rust": "rust"}
"""Who knows the version of a language, also where its code is built into a package of another ecosystem."""
_UNCLEAR = frozenset({Ecosystem.UNKNOWN, Ecosystem.DOCKERFILE, Ecosystem.IMAGE})


def leave_out_others(claims: Claims, main: Ecosystem, language: str) -> None:
    """Drop what other ecosystems' rules say of version, start and installation, where one of the main one's is there.

    The rules of an ecosystem are those whose names begin with its name. `language` is what it is mostly written in.
    """
    if main in _UNCLEAR:
        return
    others = {str(one) for one in Ecosystem if one not in _UNCLEAR and one is not main}
    for field in ("runtime_version", "language_version", "start"):
        said = [one for one in claims.all if one.field == field]
        if field != "start" or any(_of(one) not in others for one in said):
            kept = _RULES.get(language, "") if field == "language_version" else ""
            dropped = {id(one) for one in said if _of(one) in others - {kept}}
            claims.all[:] = [one for one in claims.all if id(one) not in dropped]
    endings = _MANIFESTS.get(main, ())
    claims.installs[:] = [
        item
        for item in claims.installs
        if item[0] in (Origin.USER, Origin.MANIFEST) or (endings and all(one.endswith(endings) for one in item[1]))
    ]


def _of(claim: Claim) -> str:
    return claim.evidence.rule.partition(".")[0]

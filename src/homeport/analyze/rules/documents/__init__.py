# SPDX-License-Identifier: Apache-2.0
"""Documents: READMEs, also of parts, and guides to installing and running: what they ask for, in sentences.

Phrases are data; what only mentions a thing (news, lists of links, benchmarks) counts little or not at all."""

from __future__ import annotations

from homeport.analyze.claims import Claims
from homeport.analyze.prose import sentences
from homeport.analyze.repo import Repo
from homeport.analyze.rules.documents import amounts, gpu, ports, versions
from homeport.analyze.rules.documents.choice import chosen
from homeport.analyze.ruleset import Ruleset


def _read(repo: Repo, claims: Claims) -> None:
    documents = [(file, sentences(repo.lines(file)[:3000])) for file in chosen(repo.paths) if repo.text(file)]
    gpu.read(documents, claims)
    if gpu.is_list(documents):
        return
    amounts.read(documents, claims)
    versions.read(documents, claims)
    ports.read(documents, claims)


RULES = Ruleset(wants=chosen, read=_read)

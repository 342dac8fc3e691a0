# SPDX-License-Identifier: Apache-2.0
"""Documents: READMEs, also of parts, and guides to installing and running: what they ask for, in sentences.

Phrases are data; what only mentions a thing (news, lists of links, benchmarks) counts little or not at all."""

from __future__ import annotations

from dataclasses import replace

from homeport.analyze.claims import Claims
from homeport.analyze.prose import Sentence
from homeport.analyze.repo import Repo
from homeport.analyze.rules.documents import agreement, amounts, durations, gpu, ports, versions
from homeport.analyze.rules.documents.choice import asks, chosen
from homeport.analyze.ruleset import Ruleset


def _read(repo: Repo, claims: Claims) -> None:
    documents = [(file, _sentences(repo, file)) for file in chosen(repo.paths) if repo.text(file)]
    gpu.read(documents, claims)
    if gpu.is_list(documents):
        return
    amounts.read(documents, claims)
    versions.read(documents, claims)
    ports.read(documents, claims)
    durations.read(documents, claims)
    agreement.weigh(claims)


def _sentences(repo: Repo, file: str) -> list[Sentence]:
    """A page whose name says that it lists requirements is one under that heading."""
    found = repo.sentences(file)
    return [replace(one, headings=("requirements", *one.headings)) for one in found] if asks(file) else found


RULES = Ruleset(wants=chosen, read=_read)

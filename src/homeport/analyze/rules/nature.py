# SPDX-License-Identifier: Apache-2.0
"""What it is written in, and what sort of work it is, by its files: weak words that yield to all others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from homeport.analyze.claims import Claims
from homeport.analyze.pattern import late
from homeport.analyze.repo import Repo, in_the_way
from homeport.analyze.ruleset import Ruleset
from homeport.model.evidence import Origin
from homeport.model.requirements import Kind

_LANGUAGES = {
    "py": "Python", "js": "JavaScript", "mjs": "JavaScript", "jsx": "JavaScript",
    "ts": "TypeScript", "tsx": "TypeScript",
    "go": "Go", "rs": "Rust", "java": "Java", "kt": "Kotlin", "c": "C", "cc": "C++", "cpp": "C++", "cxx": "C++",
    "hpp": "C++", "cu": "CUDA", "jl": "Julia", "r": "R", "rb": "Ruby", "php": "PHP", "cs": "C#", "f90": "Fortran",
    "f": "Fortran", "scala": "Scala", "swift": "Swift", "ex": "Elixir", "lua": "Lua", "hs": "Haskell", "sh": "Shell",
}  # fmt: skip
_VERSIONS = (
    ("pyproject.toml", "Python", late(r"^requires-python\s{0,2}=\s{0,2}\"[>=~^]{0,2}\s?(\d\.\d{1,2})")),
    ("setup.py", "Python", late(r"python_requires\s{0,2}=\s{0,2}[\"'][>=~^]{0,2}\s?(\d\.\d{1,2})")),
    ("setup.cfg", "Python", late(r"^python_requires\s{0,2}=\s{0,2}[>=~^]{0,2}\s?(\d\.\d{1,2})")),
    ("package.json", "JavaScript", late(r"\"node\":\s{0,2}\"[\^>=~]{0,3}\s?(\d[\d.]{0,8})")),
)  # fmt: skip
"""Files that lie beside much else: only where it is mostly that language. Other languages' rules say theirs."""
_PARTS = r"\w{0,30}(?:trainers?|sampler|data|datasets?|utils?|templates?|config|args|stats|openapi|docs)\.py$"
"""What programs are made of, by their names."""
_TRAINS = late(
    rf"(?i)(?:^|/)(?!{_PARTS})(?:train|finetune|fine_tune|pretrain|run_train\w*|train_\w+|qlora|lora)\w{{0,20}}"
    r"\.(?:py|sh|cu)$"
)
_INFERS = late(
    rf"(?i)(?:^|/)(?!{_PARTS})(?:inference|infer|generate|sample|predict|txt2img|demo|chat|webui|cli_demo)\w{{0,20}}\.py$"
)
_MPI = late(r"(?i)find_package\s?\(\s?MPI|\bmpicc\b|\bmpicxx\b|\bmpif90\b|\bmpi4py\b|USE_MPI|MPI_HOME")
_DATA = late(
    r"(?i)\b(?:database|vector (?:store|db|search)|search engine|data (?:warehouse|lake)|time[- ]series|geocod)\b"
)


_FOLDERS = late(r"(?i)(?:train(?:ing)?|fine_?tun(?:e|ing)|pretrain|tools|scripts|experiments|src|inference|demos?)/")
"""Where programs lie, and not parts of a package."""
_COMPILED = (".c", ".cc", ".cpp", ".cxx", ".cu", ".f", ".f90", ".java", ".go", ".rs")


def _read(repo: Repo, claims: Claims) -> None:
    _read_language(repo, claims)
    _read_kind(repo, claims)


def _read_language(repo: Repo, claims: Claims) -> None:
    counted: Counter[str] = Counter()
    files: dict[str, list[str]] = {}
    for ending, alike in repo.paths.by_ending().items():
        if language := _LANGUAGES.get(ending.removeprefix(".")):
            files.setdefault(language, []).append(alike[0])
            counted[language] += sum(min(repo.sizes[path], 60_000) for path in alike if not in_the_way(path))
    if not any(counted.values()):
        return
    language, size = counted.most_common(1)[0]
    first = min(files[language])
    sure = 0.6 if size * 2 >= sum(counted.values()) else 0.45
    claims.add("language", language, Origin.CODE, file=first, line=0, rule="nature.files", confidence=sure)
    for file, of, pattern in _VERSIONS:
        if of not in (language, "JavaScript" if language == "TypeScript" else language):
            continue
        for number, line in enumerate(repo.lines(file)[:600], 1):
            if found := pattern.search(line):
                claims.add("language_version", found[1], Origin.DEPENDENCY, file=file, line=number,
                           rule="nature.version", confidence=0.7, text=line)  # fmt: skip
                break


def _read_kind(repo: Repo, claims: Claims) -> None:
    """Each sign once; the surest sign wins."""

    def claim(kind: Kind, sure: float, file: str, rule: str) -> None:
        claims.add("kind", kind, Origin.CODE, file=file, line=0, rule=f"nature.{rule}", confidence=sure)

    books = repo.paths.ending(".ipynb")
    scripts = [path for path in repo.paths.ending(".py") if not in_the_way(path)]
    compiled = [path for path in repo.paths.ending(*_COMPILED) if not in_the_way(path)]
    if books and len(books) >= max(len(scripts) + len(compiled), 1) / 2 and len(scripts) < 60:
        claim(Kind.NOTEBOOK, 0.6, books[0], "notebooks")
    near = sorted(repo.paths.within(1), key=lambda path: (path.count("/"), not _FOLDERS.match(path)))
    models = any(one.field == "gpu" or one.evidence.rule.startswith("models.") for one in claims.all)
    for kind, pattern, sure, rule in (
        (Kind.TRAINING, _TRAINS, 0.58, "training-script"),
        (Kind.INFERENCE, _INFERS, 0.53, "inference-script"),
    ):
        script = next((path for path in near if pattern.search(path)), "")
        if script and (models or (kind is Kind.TRAINING and "/" not in script)):
            deeper = 0.0 if "/" not in script else 0.01 if _FOLDERS.match(script) else 0.06
            claim(kind, round(sure - deeper, 3), script, rule)
    builds = [path for path in ("CMakeLists.txt", "Makefile", "makefile", "requirements.txt") if path in repo]
    if mpi := next((path for path in builds if _MPI.search(repo.text(path))), ""):
        claim(Kind.HPC, 0.56, mpi, "mpi")
    readme = next(iter(repo.paths.named("readme.md", "readme.rst", depth=0)), "")
    if readme and _DATA.search(" ".join(repo.lines(readme)[:12])):
        claim(Kind.DATA, 0.55, readme, "data-words")
    ports = [one for one in claims.all if one.field == "port" and one.evidence.confidence >= 0.5]
    listens = [one for one in ports if not one.evidence.rule.startswith("python.") or one.evidence.file.count("/") <= 1]
    if listens:
        claim(Kind.SERVICE, 0.54, listens[0].evidence.file, "listens")
    if next((path for path in repo.paths if path in ("main.go", "src/main.rs") or path.startswith("cmd/")), ""):
        claim(Kind.CLI, 0.52, "", "program")
    packages = (
        "setup.py",
        "pyproject.toml",
        "Cargo.toml",
        "go.mod",
        "Project.toml",
        "DESCRIPTION",
        "package.json",
        "pom.xml",
    )
    if package := next((path for path in packages if path in repo), ""):
        claim(Kind.LIBRARY, 0.5, package, "package")


def _wants(paths: Sequence[str]) -> list[str]:
    return [
        file for file in (*(file for file, *_ in _VERSIONS), "CMakeLists.txt", "Makefile", "makefile") if file in paths
    ]


RULES = Ruleset(wants=_wants, read=_read, rank=90)

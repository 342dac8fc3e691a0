# SPDX-License-Identifier: Apache-2.0
"""What the documents say can be checked against the program, so it is."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
LISTED = subprocess.run(
    ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, check=False
).stdout.decode()
IGNORED = {".venv", ".demo", ".git", "out", "__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache"}
WITHOUT_LINE = {"LICENSE", "package.json", ".gitignore", "py.typed", ".importlinter"}
WORDS = {".py", ".service", ".rego", ".sql", ".md", ".yml", ".yaml", ".toml", ".sh", ".js", ".ini", ""}


def files() -> list[Path]:
    """Those of the repository; without git, all that is not made by tools."""
    if LISTED:
        return sorted({path for name in LISTED.split("\0") if name and (path := ROOT / name).is_file()})
    return sorted(p for p in ROOT.rglob("*") if p.is_file() and not IGNORED & set(p.relative_to(ROOT).parts))


def documents() -> list[Path]:
    return [path for path in files() if path.suffix == ".md" and "tests" not in path.parts]


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.fixture(scope="module")
def verbs() -> dict[str, str]:
    """Every verb of the program, with its help."""
    text = (ROOT / "docs/reference/cli.md").read_text()
    parts = re.split(r"^## homeport ", text, flags=re.MULTILINE)[1:]
    return {part.partition("\n")[0]: part for part in parts}


def commands() -> list[tuple[str, str]]:
    """(document, command) of each `homeport …` line in a shell block."""
    found = []
    for path in documents():
        if "reference" in path.parts:
            continue
        for block in re.findall(r"```sh\n(.*?)```", path.read_text(), flags=re.DOTALL):
            found += [(named(path), line) for line in block.splitlines() if line.startswith("homeport ")]
    return found


@pytest.mark.parametrize(("document", "line"), commands())
def test_a_command_in_a_document_is_a_verb_with_these_options(document: str, line: str, verbs: dict[str, str]) -> None:
    words = shlex.split(line, comments=True)[1:]
    verb = next((found for n in (3, 2) if (found := " ".join(words[:n])) in verbs), words[0])
    assert verb in verbs, f"{document}: homeport has no verb {words[0]!r}"
    for word in words:
        if re.fullmatch(r"-{1,2}[A-Za-z][a-z-]*", word):
            assert re.search(rf"(?<![\w-]){re.escape(word)}\b", verbs[verb]), f"{document}: {verb} has no {word}"


@pytest.mark.parametrize("document", [named(path) for path in documents()])
def test_every_link_leads_somewhere(document: str) -> None:
    path = ROOT / document
    for target in re.findall(r"\]\(([^)#\s]+)", path.read_text()):
        if not target.startswith(("https://", "http://")):
            assert (path.parent / target).exists(), f"{document} links to {target}, which is not there"


def test_every_make_target_in_a_document_exists() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):", makefile, flags=re.MULTILINE))
    for path in documents():
        said = re.findall(r"^make ([a-z-]+)|`make ([a-z-]+)|&& make ([a-z-]+)", path.read_text(), flags=re.MULTILINE)
        unknown = {name for names in said for name in names if name} - targets
        assert not unknown, f"{named(path)}: make has no target {unknown}"


def test_every_package_is_in_the_architecture_and_the_other_way_round() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    said = set(re.findall(r"`homeport\.([a-z]+)`", text))
    package = ROOT / "src/homeport"
    there = {p.name for p in package.iterdir() if (p / "__init__.py").exists()}
    there |= {p.stem for p in package.glob("*.py") if not p.stem.startswith("__")}
    assert said == there


def test_the_reference_is_what_the_program_says() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts/reference.py"), "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_table_of_measurements_is_made_from_those_that_were_kept() -> None:
    argv = [sys.executable, "-m", "bench.report", "--check"]
    done = subprocess.run(argv, cwd=ROOT, env=os.environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, "run python -m bench.report\n" + done.stderr


def test_every_variable_of_the_example_file_is_a_setting_with_its_default() -> None:
    from homeport.settings import load

    lines = (ROOT / ".env.example").read_text().splitlines()
    said = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    default = load(environ={"HOME": "/nonexistent"})
    for name, value in said.items():
        field = name.removeprefix("HOMEPORT_").lower()
        assert value in (
            str(getattr(default, field)),
            f"{getattr(default, field):g}" if field == "idle_exit" else "",
        ), name


def test_every_file_says_under_which_licence_it_is() -> None:
    silent = []
    for path in files():
        if path.suffix not in WORDS or path.name in WITHOUT_LINE or "golden" in path.parts or "fixtures" in path.parts:
            continue
        if path.parent == ROOT / "requirements" and path.suffix in ("", ".md"):
            continue
        head = path.read_text(errors="replace")[:400]
        if head and "SPDX-License-Identifier: Apache-2.0" not in head:
            silent.append(named(path))
    assert not silent


def test_no_room_is_too_large() -> None:
    code = [p for p in files() if p.suffix in (".py", ".js", ".rego", ".sql", ".sh")]
    sizes = {named(path): len(path.read_text().splitlines()) for path in code}
    assert not {name: size for name, size in sizes.items() if size > 400}
    ours = sorted(size for name, size in sizes.items() if name.startswith("src/"))
    assert ours[len(ours) // 2] <= 120


def test_every_package_opens_with_its_remit() -> None:
    for path in (ROOT / "src/homeport").rglob("__init__.py"):
        lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
        assert lines and lines[0].startswith('"""'), f"{named(path)} does not say what belongs there"


def test_every_page_is_in_the_index() -> None:
    """So that nobody has to know its name."""
    index = (ROOT / "docs/index.md").read_text()
    pages = [path.relative_to(ROOT / "docs") for path in documents() if path.is_relative_to(ROOT / "docs")]
    assert not [str(page) for page in pages if page.name != "index.md" and f"]({page})" not in index]


def test_every_verb_and_setting_is_in_the_reference(verbs: dict[str, str]) -> None:
    from dataclasses import fields

    from homeport.cli.verbs import VERBS
    from homeport.settings import Settings

    assert set(VERBS) <= set(verbs)
    text = (ROOT / "docs/reference/settings.md").read_text()
    known = [field.name for field in fields(Settings) if field.name not in ("paths", "network_env")]
    assert not [name for name in known if f"`HOMEPORT_{name.upper()}`" not in text]


def test_every_variable_of_the_compose_files_is_explained() -> None:
    files = [ROOT / "compose.yaml", *sorted((ROOT / "deploy/container").glob("*.yaml"))]
    named = {name for file in files for name in re.findall(r"\$\{(HOMEPORT_\w+)", file.read_text())}
    page = (ROOT / "docs/how-to/compose.md").read_text() + (ROOT / "docs/how-to/postgresql.md").read_text()
    assert not {name for name in named if name not in page}


def test_every_variable_in_a_how_to_page_exists() -> None:
    from dataclasses import fields

    from homeport.settings import Settings

    known = {f"HOMEPORT_{field.name.upper()}" for field in fields(Settings)}
    known |= {"HOMEPORT_HOME", "HOMEPORT_BACKUP_PASSPHRASE", "HOMEPORT_DATA", "HOMEPORT_"}
    files = [ROOT / "compose.yaml", *sorted((ROOT / "deploy/container").glob("*.yaml"))]
    known |= {name for file in files for name in re.findall(r"\$\{(HOMEPORT_\w+)", file.read_text())}
    for path in [*(ROOT / "docs/how-to").glob("*.md"), *(ROOT / "docs/tutorial").glob("*.md")]:
        unknown = set(re.findall(r"\bHOMEPORT_\w*", path.read_text())) - known
        assert not unknown, f"{named(path)}: {unknown}"


def test_a_block_that_is_not_run_says_why() -> None:
    for path in documents():
        for reason in re.findall(r"<!-- not run:?([^>]*)-->", path.read_text()):
            assert len(reason.strip()) > 10, named(path)

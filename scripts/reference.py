# SPDX-License-Identifier: Apache-2.0
"""Writes docs/reference/ from the program itself: `python scripts/reference.py [--check]`.

With `--check` nothing is written; it ends with 1 and names each page that is not as the program is.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import click

ROOT = Path(__file__).resolve().parent.parent
PAGES = ROOT / "docs" / "reference"
MADE = "<!-- SPDX-License-Identifier: Apache-2.0 -->\n<!-- Written by scripts/reference.py: run `make docs`. -->\n"


def pages() -> dict[str, str]:
    return {
        "cli.md": cli(), "settings.md": settings(), "drivers.md": drivers(), "errors.md": errors(), "api.md": api(),
    }  # fmt: skip


def cli() -> str:
    """Every verb's own help, as a user sees it in a terminal 80 columns wide."""
    parts = [MADE + "# Commands\n", block("homeport --help", help_of())]
    for verb in verbs():
        parts.append(f"## homeport {verb}\n\n" + block(f"homeport {verb} --help", help_of(*verb.split())))
    return "\n".join(parts)


def verbs() -> list[str]:
    """All commands, those of groups too, in the order of the help."""
    import click

    from homeport.cli.group import build

    root = build()
    context = click.Context(root)
    found = []
    for name in root.list_commands(context):
        command = root.get_command(context, name)
        found.append(name)
        if isinstance(command, click.Group):
            found += [f"{name} {inner}" for inner in _inner(command, context)]
    return found


def _inner(group: click.Group, context: click.Context) -> list[str]:
    """The commands of a group, those of groups in it too."""
    import click

    found = []
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        found.append(name)
        if isinstance(command, click.Group):
            found += [f"{name} {inner}" for inner in _inner(command, context)]
    return found


def help_of(*words: str) -> str:
    env = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "COLUMNS": "80", "NO_COLOR": "1", "LC_ALL": "C.UTF-8"}
    argv = [
        sys.executable,
        "-c",
        "import sys; sys.argv[0] = 'homeport'; from homeport.cli import main; sys.exit(main())",
    ]
    done = subprocess.run([*argv, *words, "--help"], env=env, capture_output=True, text=True, check=True)
    return done.stdout


def block(command: str, output: str) -> str:
    return f"```console\n$ {command}\n{output.rstrip()}\n```\n"


def settings() -> str:
    """The fields of `Settings` and `Paths` with the docstring under each."""
    tree = ast.parse((ROOT / "src" / "homeport" / "settings.py").read_text())
    lines = [
        MADE + "# Settings\n",
        "A flag wins over `HOMEPORT_…`, that over `--env-file`, that over `config.toml`.\n",
    ]
    lines += ["| variable | default | meaning |", "|---|---|---|"]
    for name, default, words in fields(tree, "Settings"):
        if name != "paths" and not default.startswith("field("):
            lines.append(f"| `HOMEPORT_{name.upper()}` | `{default}` | {words} |")
    lines += ["| `HOMEPORT_HOME` | | One folder for everything below; not in a file. |", ""]
    lines += ["| folder | meaning |", "|---|---|"]
    lines += [f"| `{name}` | {words} |" for name, _, words in fields(tree, "Paths")]
    return "\n".join(lines) + "\n"


def fields(tree: ast.Module, name: str) -> list[tuple[str, str, str]]:
    """(field, default, docstring) in the order of the class."""
    body = next(node.body for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name)
    found = []
    for node, after in zip(body, [*body[1:], ast.Pass()], strict=True):
        if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Name):
            continue
        words = ""
        if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
            words = " ".join(str(after.value.value).split())
        default = ast.unparse(node.value) if node.value else ""
        found.append((node.target.id, default.strip("'"), words))
    return found


def drivers() -> str:
    from homeport.interfaces.extension_points import DRIVERS

    lines = [MADE + "# Extension points and their drivers\n", "| point | name | driver |", "|---|---|---|"]
    lines += [f"| {point} | `{name}` | `{where}` |" for point, all_ in DRIVERS.items() for name, where in all_.items()]
    return "\n".join(lines) + "\n"


def errors() -> str:
    """The exception tree with exit codes, and the status each has in the API."""
    import homeport.errors
    from homeport.api.errors import status_of
    from homeport.errors import HomeportError

    drawing = str(homeport.errors.__doc__).partition("\n\n    ")[2]
    lines = [
        MADE + "# Errors and exit codes\n",
        "An error says what failed and what to do next. With `--json`, and in the API, it is one document: `type` (a",
        "name below), `message`, `operation`, `subject`, `hint`, and `retry`: whether the same call may work later.\n",
        "| type | exit code | HTTP status | retry | kind of |",
        "|---|---:|---:|---|---|",
    ]
    for kind in (HomeportError, *sorted(_below(HomeportError), key=lambda kind: (kind.exit_code, kind.__name__))):
        retry = "yes" if kind.retry else "no"
        parent = "" if kind is HomeportError else f"`{kind.__base__.__name__}`"
        lines.append(f"| `{kind.__name__}` | {kind.exit_code} | {status_of(kind('x'))} | {retry} | {parent} |")
    lines += ["", "```text", *(line.removeprefix("    ") for line in f"    {drawing}".rstrip().splitlines()), "```", ""]
    return "\n".join([*lines, "0 is success; stdout is data, stderr is progress.", ""])


def _below(kind: type) -> list[type]:
    """Those of `homeport.errors`: others are details of one door."""
    children = [child for child in kind.__subclasses__() if child.__module__ == "homeport.errors"]
    return [found for child in children for found in (child, *_below(child))]


def api() -> str:
    """Every path, from the document that a server gives at /v1/openapi.json."""
    from homeport.api.app import create_app
    from homeport.testing.control import MemoryControl

    document = create_app(MemoryControl(), version="").openapi()
    lines = [
        MADE + "# Management API\n",
        document["info"]["description"] + "\n",
        "A running server gives the whole description, with every record, at `/v1/openapi.json`, and a page for people",
        "at `/docs`. Errors are as in [errors.md](errors.md).\n",
        "| call | what it does | answer |",
        "|---|---|---|",
    ]
    for path, methods in sorted(document["paths"].items()):
        for method, operation in methods.items():
            lines.append(f"| `{method.upper()} {path}` | {operation.get('summary', '')} | {_answer(operation)} |")
    return "\n".join(lines) + "\n"


def _answer(operation: dict[str, Any]) -> str:
    """The status of success and what comes with it."""
    code, response = next(iter(operation["responses"].items()))
    kinds = {_kind(name, content.get("schema", {})): None for name, content in response.get("content", {}).items()}
    return f"{code} {', '.join(kinds)}".strip()


def _kind(name: str, schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return f"`{schema['$ref'].rpartition('/')[2]}`"
    if schema.get("type") == "array":
        return f"list of {_kind('objects', schema.get('items', {}))}"
    return "object" if name == "application/json" else name


def main() -> int:
    stale = []
    for name, fresh in pages().items():
        path = PAGES / name
        if not path.exists() or path.read_text() != fresh:
            stale.append(name)
            if "--check" not in sys.argv:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(fresh)
    for name in stale:
        print(f"docs/reference/{name} " + ("is stale: run make docs" if "--check" in sys.argv else "written"))
    return 1 if stale and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())

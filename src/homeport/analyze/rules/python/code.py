# SPDX-License-Identifier: Apache-2.0
"""Which Python files are worth parsing, and what is claimed from them."""

from __future__ import annotations

from collections.abc import Sequence

from homeport.analyze import routes
from homeport.analyze.claims import Claims
from homeport.analyze.paths import Paths, once
from homeport.analyze.pattern import late
from homeport.analyze.repo import Repo, in_the_way, shown
from homeport.analyze.rules.python.declared import Declared
from homeport.analyze.rules.python.module import Application, Module, read_module
from homeport.model.evidence import Origin

_ENTRIES = ("main.py", "app.py", "server.py", "agent.py", "api.py", "run.py", "serve.py", "bot.py", "__main__.py",
            "wsgi.py", "asgi.py", "manage.py", "service.py", "start.py")  # fmt: skip
_TELLING = late(
    r"FastAPI\(|Starlette\(|Flask\(|Quart\(|__main__|PORT|HTTPServer\(|run_app\(|serve_forever|/health|DJANGO|server_port"
)
_MOST_READ = 150
_MOST_PARSED = 24
_MOST_CHARS = 300_000
_DEPTH = 3
_OF_A_PART = 0.15
_PROJECTS = ("pyproject.toml", "setup.py", "setup.cfg")
_OWN = frozenset("PORT HOST HOME PATH USER PWD TMPDIR LANG DEBUG HOMEPORT_DATA".split())


@once
def wants(paths: Paths) -> list[str]:
    found = [path for path in paths.ending(".py", depth=_DEPTH) if not in_the_way(path)]
    return sorted(found, key=_order)[:_MOST_READ]


def worth_reading(repo: Repo) -> list[str]:
    """Of the files that were loaded: those with a telling word, the most telling names first, within bounds."""
    chosen: list[str] = []
    chars = 0
    for path in wants(repo.paths):
        text = repo.text(path)
        if len(chosen) < _MOST_PARSED and chars + len(text) <= _MOST_CHARS and _TELLING.search(text):
            chosen.append(path)
            chars += len(text)
    return chosen


def read(repo: Repo, claims: Claims, files: Sequence[str], declared: Declared) -> None:
    for path in files:
        module = read_module(repo.text(path))
        if module is None:
            claims.warn(f"{shown(path)} is not Python that can be parsed; nothing was taken from it")
            continue
        _claim_values(repo, claims, path, module)
        for application in module.applications:
            _claim_application(repo, claims, path, module, application, declared)
        _claim_program(repo, claims, path, module)


def _claim_values(repo: Repo, claims: Claims, path: str, module: Module) -> None:
    nearer = 0.05 * path.count("/") + (_OF_A_PART if _is_of_a_part(repo, path) else 0.0)
    for port, line, rule, confidence in module.ports:
        claims.add("port", port, Origin.CODE, file=path, line=line, rule=f"python.{rule}",
                   confidence=confidence - nearer, text=repo.line(path, line))  # fmt: skip
    for text, line in module.paths:
        if confidence := routes.HEALTH.get(text, 0.0):
            claims.add("health_path", text, Origin.CODE, file=path, line=line, rule="python.health-route",
                       confidence=confidence, text=repo.line(path, line))  # fmt: skip
    for name in module.env:
        if name not in _OWN:
            claims.asks_for(name)


def _is_of_a_part(repo: Repo, path: str) -> bool:
    """Whether it lies in a package with a project file of its own, beside that of the root."""
    first = path.partition("/")[0]
    return first != path and all(any(f"{at}{one}" in repo for one in _PROJECTS) for at in ("", f"{first}/"))


def _claim_application(
    repo: Repo, claims: Claims, path: str, module: Module, application: Application, declared: Declared
) -> None:
    folder, dotted = _import_name(repo, path, module)
    name = f"{dotted}:{application.name}"
    flask = application.framework == "flask"
    if flask and "gunicorn" in declared:
        words = ["python", "-m", "gunicorn", "--bind", "0.0.0.0:$PORT", *(["--chdir", folder] if folder else []), name]
    elif flask:
        target = f"{folder}/{dotted.replace('.', '/')}" if folder else dotted
        words = ["python", "-m", "flask", "--app", target, "run", "--host", "0.0.0.0", "--port", "$PORT"]  # noqa: S104
    else:
        words = ["python", "-m", "uvicorn", name, "--host", "0.0.0.0", "--port", "$PORT"]  # noqa: S104
        words += ["--app-dir", folder] if folder else []
        if declared.dependencies and "uvicorn" not in declared:
            claims.warn("uvicorn, which starts the application, is not among the dependencies: add it, or say a start")
    if application.factory and not flask:
        words.append("--factory")
    claims.start(words, Origin.CODE, file=path, line=application.line, rule=f"python.{application.framework}-app",
                 confidence=(0.7 if application.factory else 0.8) - 0.03 * path.count("/"),
                 text=repo.line(path, application.line))  # fmt: skip


def _claim_program(repo: Repo, claims: Claims, path: str, module: Module) -> None:
    name = path.rsplit("/", 1)[-1]
    depth = path.count("/")
    line = module.main_line or module.listens_line
    if not line or name in ("wsgi.py", "asgi.py"):
        return
    if name == "manage.py" and "django" in repo.text(path).lower():
        words = ["python", path, "runserver", "0.0.0.0:$PORT"]
        rule, confidence = "python.django-manage", 0.6
    elif name == "__main__.py" and depth:
        words = ["python", "-m", path.removesuffix("/__main__.py").removeprefix("src/").replace("/", ".")]
        rule, confidence = "python.main-package", 0.5
        if path.startswith("src/"):
            return  # importable only once it is installed; its script says so
    elif name in _ENTRIES and depth <= 1:
        words, rule = ["python", path], "python.main-file"
        confidence = 0.55 - _ENTRIES.index(name) / 100
    elif module.listens_line and depth == 0:
        words, rule, confidence = ["python", path], "python.listening-file", 0.4
    else:
        return
    confidence += (0.1 if module.listens_line else 0.0) - 0.1 * depth
    claims.start(words, Origin.CODE, file=path, line=line, rule=rule, confidence=round(confidence, 3),
                 text=repo.line(path, line))  # fmt: skip


def _import_name(repo: Repo, path: str, module: Module) -> tuple[str, str]:
    """(folder to import from, dotted name): from the root where the code itself imports so, else by its packages."""
    *folders, name = path.removesuffix(".py").split("/")
    if folders and folders[0] not in module.imports:
        keep = len(folders)
        while keep and "/".join([*folders[:keep], "__init__.py"]) in repo:
            keep -= 1
        return "/".join(folders[:keep]), ".".join([*folders[keep:], name])
    return "", ".".join([*folders, name])


def _order(path: str) -> tuple[int, int, str]:
    name = path.rsplit("/", 1)[-1]
    return path.count("/"), _ENTRIES.index(name) if name in _ENTRIES else len(_ENTRIES), path

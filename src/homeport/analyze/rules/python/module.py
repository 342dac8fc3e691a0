# SPDX-License-Identifier: Apache-2.0
"""One Python file, parsed and never run: its applications, ports, routes, variables, and whether it is a program."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from homeport.analyze.command import to_port
from homeport.analyze.pattern import late

_FRAMEWORKS = {"FastAPI": "fastapi", "Starlette": "starlette", "Quart": "quart", "Flask": "flask"}
_LISTENING = frozenset(
    "HTTPServer ThreadingHTTPServer run_app serve_forever start_server create_server TCPServer".split()
)
_ROUTING = frozenset("get route api_route add_get add_route add_api_route add_url_rule Route custom_route path".split())
_TELLING = frozenset(
    (
        ast.Import,
        ast.ImportFrom,
        ast.Compare,
        ast.MatchValue,
        ast.Tuple,
        ast.Subscript,
        ast.Call,
        ast.BoolOp,
        ast.Assign,
    )
)
_OWN_PORT = late(r"(?:GRADIO_|UVICORN_)?(?:(?:SERVER|APP|HTTP|WEB|API|LISTEN|SERVICE|UI|BIND)_)?PORT")
_DEEPEST = 80
_LONGEST_CHAIN = 400
_NOT_BRACKETS = late(r"[^\[({\])}]+")
_CHAIN = 200
"""Operators one after another. The parser takes a thousand of them in a small stack; lines of dashes are shorter."""
_SIGNS = late(rf"[-+~]\s?(?:[-+~]\s?){{{_CHAIN - 1}}}")
_CHAINS = {
    "not": late(rf"(?:\bnot\s){{{_CHAIN}}}"),
    "await": late(rf"(?:\bawait\s){{{_CHAIN}}}"),
    "lambda": late(rf"(?:\blambda\b[^\n:]{{0,80}}:\s?){{{_CHAIN}}}"),
}


@dataclass(frozen=True, slots=True)
class Application:
    name: str
    framework: str
    line: int
    factory: bool = False


@dataclass(slots=True)
class Module:
    """Lines count from 1, 0 means there is none. `ports` are (port, line, rule, confidence)."""

    applications: list[Application] = field(default_factory=list)
    ports: list[tuple[int, int, str, float]] = field(default_factory=list)
    paths: list[tuple[str, int]] = field(default_factory=list)
    env: list[str] = field(default_factory=list)
    imports: set[str] = field(default_factory=set)
    main_line: int = 0
    listens_line: int = 0


def read_module(text: str) -> Module | None:
    """None for what cannot be parsed, or is nested so deeply that parsing it would be unsafe."""
    if not _is_shallow(text):
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    module = Module()
    _read_top(tree, module)
    for node in _nodes(tree):
        if type(node) in _TELLING:
            _read_node(node, module)
    return module


def _nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """As `ast.walk` has them, without names, constants and what has no parts: most of a module, and never telling."""
    queue = [tree]
    for node in queue:
        yield node
        for value in vars(node).values():
            for part in value if isinstance(value, list) else (value,):
                if isinstance(part, ast.AST) and part._fields and not isinstance(part, (ast.Name, ast.Constant)):
                    queue.append(part)


def _read_top(tree: ast.Module, module: Module) -> None:
    for node in tree.body:
        if isinstance(node, ast.If) and _is_main_guard(node.test):
            module.main_line = node.lineno
        elif isinstance(node, (ast.Assign, ast.AnnAssign)) and isinstance(node.value, ast.Call):
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            framework = _FRAMEWORKS.get(_called(node.value))
            if framework and isinstance(target, ast.Name):
                module.applications.append(Application(target.id, framework, node.lineno))
        elif isinstance(node, ast.FunctionDef) and not _required_arguments(node):
            framework = next((name for name in map(_framework_in, _nodes(node)) if name), "")
            if framework and ("app" in node.name or "make" in node.name or "create" in node.name):
                module.applications.append(Application(node.name, framework, node.lineno, factory=True))


def _read_node(node: ast.AST, module: Module) -> None:
    match node:
        case ast.Import(names=names):
            module.imports.update(alias.name.split(".")[0] for alias in names)
        case ast.ImportFrom(module=str() as name, level=0):
            module.imports.add(name.split(".")[0])
        case ast.Compare(comparators=[*sides]):
            _note_paths(module, sides)
        case ast.MatchValue(value=value):
            _note_paths(module, [value])
        case ast.Tuple(elts=[ast.Constant(value="GET"), second]):
            _note_paths(module, [second])
        case ast.Subscript(
            value=ast.Attribute(attr="environ"), slice=ast.Constant(value=str() as name), ctx=ast.Load()
        ):
            module.env.append(name)
        case ast.Call():
            _read_call(node, module)
        case ast.BoolOp(op=ast.Or(), values=[ast.Call() as call, ast.Constant(value=value)]) if _asks_port(call):
            _note_port(module, value, node.lineno, "env-port-default", 0.8)
        case ast.Assign(targets=[ast.Name(id="PORT" | "port")], value=ast.Constant(value=value)):
            _note_port(module, value, node.lineno, "port-constant", 0.45)


def _read_call(call: ast.Call, module: Module) -> None:
    name = _called(call)
    if name in _ROUTING:
        _note_paths(module, [*call.args[:2], *(word.value for word in call.keywords if word.arg in ("path", "rule"))])
    shows = name == "launch" and any(one.arg in ("server_port", "server_name", "share") for one in call.keywords)
    if (
        name in _LISTENING
        or shows
        or (name == "run" and _owner(call) in ("uvicorn", "app", "web", "application", "server", "mcp"))
    ):
        module.listens_line = module.listens_line or call.lineno
        for keyword in call.keywords:
            if keyword.arg in ("port", "server_port") and isinstance(keyword.value, ast.Constant):
                _note_port(module, keyword.value.value, call.lineno, "listen-port", 0.65)
        for argument in call.args[:2]:
            if (
                isinstance(argument, ast.Tuple)
                and len(argument.elts) == 2
                and isinstance(argument.elts[1], ast.Constant)
            ):
                _note_port(module, argument.elts[1].value, call.lineno, "listen-port", 0.65)
    if _asks_port(call) and len(call.args) > 1 and isinstance(call.args[1], ast.Constant):
        _note_port(module, call.args[1].value, call.lineno, "env-port-default", 0.8)
    if name == "add_argument" and any(isinstance(one, ast.Constant) and one.value == "--port" for one in call.args):
        for keyword in call.keywords:
            if keyword.arg == "default" and isinstance(keyword.value, ast.Constant):
                _note_port(module, keyword.value.value, call.lineno, "argument-port", 0.6)


def _note_paths(module: Module, values: Sequence[ast.expr]) -> None:
    for one in values:
        for part in one.elts if isinstance(one, (ast.Tuple, ast.Set, ast.List)) else [one]:
            if isinstance(part, ast.Constant) and isinstance(part.value, str) and part.value.startswith("/"):
                module.paths.append((part.value[:200], part.lineno))


def _note_port(module: Module, value: object, line: int, rule: str, confidence: float) -> None:
    port = to_port(value)
    if port is not None:
        module.ports.append((port, line, rule, confidence))


def _asks_port(call: ast.Call) -> bool:
    """`os.environ.get("PORT", …)` and `os.getenv("SERVER_PORT", …)`."""
    asks = _called(call) == "getenv" or (_called(call) == "get" and _owner(call) == "environ")
    name = call.args[0].value if asks and call.args and isinstance(call.args[0], ast.Constant) else None
    return isinstance(name, str) and bool(_OWN_PORT.fullmatch(name))


def _called(call: ast.Call) -> str:
    function = call.func
    return (
        function.attr if isinstance(function, ast.Attribute) else function.id if isinstance(function, ast.Name) else ""
    )


def _owner(call: ast.Call) -> str:
    value = call.func.value if isinstance(call.func, ast.Attribute) else None
    return value.attr if isinstance(value, ast.Attribute) else value.id if isinstance(value, ast.Name) else ""


def _framework_in(node: ast.AST) -> str:
    return _FRAMEWORKS.get(_called(node), "") if isinstance(node, ast.Call) else ""


def _required_arguments(function: ast.FunctionDef) -> bool:
    arguments = function.args
    return len(arguments.args) + len(arguments.posonlyargs) > len(arguments.defaults)


def _is_main_guard(test: ast.expr) -> bool:
    return isinstance(test, ast.Compare) and any(
        isinstance(side, ast.Name) and side.id == "__name__" for side in _sides(test)
    )


def _sides(test: ast.Compare) -> Iterator[ast.expr]:
    yield test.left
    yield from test.comparators


def _is_shallow(text: str) -> bool:
    """Whether brackets, indentation and chains stay within what the parser takes without trouble."""
    depth = 0
    for bracket in _NOT_BRACKETS.sub("", text):
        if bracket in "[({":
            depth += 1
            if depth > _DEEPEST:
                return False
        elif depth:
            depth -= 1
    if _SIGNS.search(text) or any(text.count(word) >= _CHAIN and chain.search(text) for word, chain in _CHAINS.items()):
        return False
    for line in text.split("\n"):
        if len(line) > _LONGEST_CHAIN and (line.count(".") > _LONGEST_CHAIN or line.count("+") > _LONGEST_CHAIN):
            return False
    return "\n" + " " * 400 not in text and "\t" * 100 not in text

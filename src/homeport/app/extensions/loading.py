# SPDX-License-Identifier: Apache-2.0
"""From what was found to what can be called. The user's modules are executed here, and nowhere else."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

from homeport.app.extensions.calling import LIMIT_S, call
from homeport.app.extensions.finding import Found, find_extensions
from homeport.app.extensions.using import Extension, Extensions
from homeport.interfaces.extension_points import EXTENSIONS


def load_extensions(folders: Iterable[Path], *, limit_s: float = LIMIT_S) -> Extensions:
    """All that are found, once for each run of a command. What cannot be loaded is in `troubles`; never raises."""
    loaded: list[Extension] = []
    troubles: list[str] = []
    missing: list[str] = []
    for found in find_extensions(folders):
        told = found.trouble
        if not told:
            outcome = call(_load, found, file=found.where, limit_s=limit_s)
            told = outcome.trouble
            if not told:
                loaded.append(outcome.value)
        if told:
            troubles.append(f"extension {found.name} ({found.where}) is not used: {told}")
            missing += [troubles[-1]] * found.guards
    return Extensions(tuple(loaded), tuple(troubles), tuple(missing), limit_s)


def _load(found: Found) -> Extension:
    thing: Any = found.entry.load() if found.entry else _execute(found)
    if inspect.isclass(thing):
        thing = thing()
    known = [name for role in found.roles for name in EXTENSIONS[role][1]]
    functions = {name: one for name in known if callable(one := getattr(thing, name, None))}
    if not functions and callable(thing) and found.roles == ("selector",):
        functions = {_shape(thing): thing}
    if not functions:
        raise TypeError(f"it has none of {', '.join(known)}")
    return Extension(found.name, _file_of(found), functions)


def _execute(found: Found) -> ModuleType:
    name = f"homeport_plugin_{found.name}"
    module = ModuleType(name)
    module.__file__ = found.where
    sys.modules[name] = module  # where dataclasses and pickles of the plugin look themselves up
    exec(compile(found.source, found.where, "exec"), module.__dict__)  # noqa: S102  (the user's own file, see finding)
    return module


def _shape(function: Callable[..., Any]) -> str:
    """An entry point may lead to a bare function: of the offers too, or of the requirements alone."""
    return "select" if len(inspect.signature(function).parameters) > 1 else "select_node_type"


def _file_of(found: Found) -> str:
    if not found.entry:
        return found.where
    module = sys.modules.get(found.entry.module)
    return str(getattr(module, "__file__", "") or "")

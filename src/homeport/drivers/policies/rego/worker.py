# SPDX-License-Identifier: Apache-2.0
"""The engine's own process: one JSON line in, one JSON line out.

Run as a file by an isolated interpreter, never imported: `worker.py PARENT_PID FOLDER_OF_REGORUS`. Standard library
and the engine only. The first line holds the policies; it ends when its input does, or when its parent dies.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from typing import Any

MEMORY = 512 * 1024 * 1024
"""Bytes of address space: a policy that grows without end ends this process, and nothing else."""


def main() -> None:
    die_with(int(sys.argv[1]))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.path.append(sys.argv[2])
    import regorus

    engine = regorus.Engine()
    try:
        for name, text in json.loads(sys.stdin.buffer.readline()):
            engine.add_policy(name, text)
    except Exception as error:
        answer({"id": 0, "load_error": first_line(error)})
        return
    answer({"id": 0})
    for line in sys.stdin.buffer:
        number, package, text = json.loads(line)
        try:
            answer({"id": number, **decide(engine.clone(), package, text)})
        except Exception as error:
            answer({"id": number, "error": first_line(error)})


def decide(engine: Any, package: str, text: str) -> dict[str, Any]:
    engine.set_input_json(text)
    allow = engine.eval_rule(f"data.{package}.allow")
    try:
        reason = engine.eval_rule(f"data.{package}.reason")
    except Exception:
        # A package need not have a reason, and a reason that fails changes no decision.
        reason = None
    return {
        "allow": allow if isinstance(allow, bool) else None,
        "reason": reason[:1000] if isinstance(reason, str) else "",
    }


def answer(message: dict[str, Any]) -> None:
    sys.stdout.buffer.write(json.dumps(message).encode() + b"\n")
    sys.stdout.buffer.flush()


def first_line(error: BaseException) -> str:
    """The engine's cause without its backtrace."""
    lines = [line.strip() for line in str(error).partition("Stack backtrace")[0].splitlines() if line.strip()]
    return " ".join(lines)[:500] or type(error).__name__


def die_with(parent: int) -> None:
    import ctypes

    pr_set_pdeathsig, sigkill = 1, 9
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, sigkill, 0, 0, 0)
    if os.getppid() != parent:
        raise SystemExit(0)


if __name__ == "__main__":
    main()

# SPDX-License-Identifier: Apache-2.0
"""`python -m homeport.serve.keeper [--ready-fd N]`: settings come from the environment and the user's file."""

from __future__ import annotations

import os
import signal
import sys

from homeport.errors import HomeportError, UsageError
from homeport.serve.keeper.keeper import Keeper
from homeport.settings import load

CHILDREN = {
    "gateway": [sys.executable, "-m", "homeport.serve.gateway"],
    "server": [sys.executable, "-m", "homeport.serve.server"],
}


def main(argv: list[str] | None = None, children: dict[str, list[str]] | None = None) -> int:
    """`children` are the commands of gateway and server; ours unless a test brings others."""
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    os.umask(0o077)
    try:
        ready_fd = _ready_fd(sys.argv[1:] if argv is None else argv)
        settings = load()
        return Keeper(settings, CHILDREN if children is None else children, ready_fd=ready_fd).run()
    except HomeportError as error:
        return _fail(error)
    except OSError as error:
        return _fail(UsageError(f"cannot serve: {error}", hint="check that the state folder can be written"))


def _ready_fd(argv: list[str]) -> int:
    """`argparse` would be a sixth of the start for one option."""
    match argv:
        case []:
            return -1
        case ["--ready-fd", number] if number.isascii() and number.isdigit():
            return int(number)
        case _:
            raise UsageError(
                f"unknown arguments: {' '.join(argv)}", hint="python -m homeport.serve.keeper [--ready-fd N]"
            )


def _fail(error: HomeportError) -> int:
    hint = f"\n\nhint: {error.hint}" if error.hint else ""
    print(f"error: {error.message}{hint}", file=sys.stderr)
    return error.exit_code


if __name__ == "__main__":
    sys.exit(main())

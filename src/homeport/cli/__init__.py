# SPDX-License-Identifier: Apache-2.0
"""Commands: parse, call app or client, print. Data on stdout, progress on stderr. No logic.

Nothing heavy is imported before a verb is chosen: `verbs` is a static table, each verb's module comes with its use.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import PurePath

from homeport.errors import NO_ROOM, HomeportError

_ENVBOOT = """envboot is the third name of Homeport, for Chameleon: leases, bare-metal nodes, images.
Its verbs arrive with the Chameleon driver; this version has none of them.
What works today is under `homeport`: see `homeport --help`.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """The exit code. Never a traceback, unless --verbose asks for it; a reader that left is no error."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    program = PurePath(sys.argv[0]).name if argv is None else "homeport"
    program = program if program in ("agentainer", "envboot") else "homeport"
    if program == "envboot":
        return _envboot(arguments)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        code = _run(program, arguments)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        _drop_stdout()
        return 0
    except OSError as error:
        from homeport.cli.output import fail
        from homeport.errors import StorageFull

        if error.errno not in NO_ROOM:
            raise
        _drop_stdout()
        where = error.filename or "what was to be written is not whole"
        return fail(StorageFull(f"{error.strerror}: {where}"), as_json=False)


def _drop_stdout() -> None:
    """So that the exit does not flush into it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _run(program: str, arguments: list[str]) -> int:
    import click

    from homeport.cli.group import ReaderLeft, build
    from homeport.cli.output import fail

    as_json, verbose = "--json" in arguments, "--verbose" in arguments
    try:
        result = build().main(arguments, prog_name=program, standalone_mode=False)
        return result if isinstance(result, int) else 0
    except HomeportError as error:
        if verbose:
            import traceback

            traceback.print_exc()
        return fail(error, as_json)
    except click.exceptions.NoArgsIsHelpError as error:
        print(error.format_message(), file=sys.stderr)
        return 2
    except click.ClickException as error:
        return fail(_usage(error, program), as_json)
    except (click.Abort, KeyboardInterrupt):
        from homeport.errors import Interrupted

        return fail(Interrupted("interrupted"), as_json)
    except ReaderLeft:
        raise BrokenPipeError from None
    except Exception as error:
        if verbose or (isinstance(error, OSError) and error.errno in NO_ROOM):
            raise
        said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        return fail(HomeportError(f"this is a fault in Homeport: {said}", hint="run it again with --verbose"), as_json)


def _usage(error: object, program: str) -> HomeportError:
    import click

    from homeport.errors import UsageError

    assert isinstance(error, click.ClickException)
    context = getattr(error, "ctx", None)
    path = context.command_path if context else program
    return UsageError(error.format_message(), operation="parse", hint=f"{path} --help")


def _envboot(arguments: list[str]) -> int:
    asked = not arguments or arguments[0] in ("-h", "--help", "help")
    print(_ENVBOOT, end="", file=sys.stdout if asked else sys.stderr)
    return 0 if asked else 2

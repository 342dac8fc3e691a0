# SPDX-License-Identifier: Apache-2.0
"""Restores a backup and dies, as by kill -9, at the n-th of the calls that change the disk. Run as a program."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from homeport.app.backups import restoring, switching
from homeport.settings import find_paths


def main(file: str, home: str, last: int) -> None:
    seen = 0

    def counted(real: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            nonlocal seen
            seen += 1
            if seen == last:
                os._exit(9)
            return real(*args, **kwargs)

        return call

    Path.rename = counted(Path.rename)  # type: ignore[method-assign]
    Path.unlink = counted(Path.unlink)  # type: ignore[method-assign]
    Path.write_bytes = counted(Path.write_bytes)  # type: ignore[method-assign]
    switching.delete_tree = counted(switching.delete_tree)
    switching.sync = counted(switching.sync)
    restoring._unpack = counted(restoring._unpack)
    restoring._write_key = counted(restoring._write_key)
    paths = find_paths({"HOMEPORT_HOME": home})
    restoring.restore(Path(file), paths, passphrase="open", replace=True, said=lambda _: None)
    print(seen)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))

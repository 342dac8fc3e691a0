# SPDX-License-Identifier: Apache-2.0
"""`serve --detach` that cannot: it ends with the reason, and with what helps."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def test_a_setting_that_cannot_be_read_is_named_with_what_could(tmp_path: Path) -> None:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("HOMEPORT_")}
    environ |= {"HOMEPORT_HOME": str(tmp_path), "HOMEPORT_RETENTION_COMPLETED": "soon"}
    environ |= {"HOMEPORT_API_LISTEN": "127.0.0.1:0", "HOMEPORT_GATEWAY_LISTEN": "127.0.0.1:0"}
    done = subprocess.run(
        [sys.executable, "-P", "-m", "homeport", "serve", "--detach"],
        env=environ, capture_output=True, text=True, timeout=90, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == 1
    assert "HOMEPORT_RETENTION_COMPLETED: 'soon' cannot be read" in done.stderr
    assert "hint: ages as 12h or 7d" in done.stderr

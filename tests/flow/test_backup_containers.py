# SPDX-License-Identifier: Apache-2.0
"""Agents in containers of a real engine are backed up, and come up elsewhere with what they wrote."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from homeport.testing.servers.engine import Engine
from homes import AGENT, Home, free_port, wait_until

pytestmark = pytest.mark.timeout(180)
NOTES = AGENT.replace(
    "        body = f",
    "        notes = os.environ['HOMEPORT_DATA'] + '/notes'\n"
    "        with open(notes, 'a') as file: file.write(self.path)\n"
    "        with open(notes) as file: self.path = file.read()\n"
    "        body = f",
)


@pytest.fixture
def boxed(home: Home, engine: Engine) -> Home:
    home.env["DOCKER_HOST"] = engine.host
    return home


@contextmanager
def another(home: Home) -> Iterator[Home]:
    folder = home.folder.parent / "elsewhere"
    listen = {f"HOMEPORT_{door}_LISTEN": f"127.0.0.1:{free_port()}" for door in ("API", "GATEWAY")}
    new = Home(folder, {**home.env, **listen, "HOMEPORT_HOME": str(folder)})
    try:
        yield new
    finally:
        new.run("remove", "--all", "--yes", check=False)
        new.stop()


def built(home: Home, image: str) -> Path:
    folder = home.folder.parent / "built"
    folder.mkdir()
    (folder / "main.py").write_text(NOTES)
    lines = (f"FROM {image}", "WORKDIR /srv", "COPY main.py .", "EXPOSE 8000", "ENV PORT=8000")
    (folder / "Dockerfile").write_text("\n".join((*lines, 'CMD ["python3", "main.py"]')) + "\n")
    return folder


def inspected(home: Home, name: str) -> tuple[str, str]:
    agent = home.json("inspect", name)
    return agent["state"], agent["detail"]


def test_agents_in_containers_come_up_elsewhere_and_one_whose_image_is_not_there_says_what_to_do(
    boxed: Home, engine: Engine, engine_image: str
) -> None:
    boxed.run("up", str(boxed.agent(code=NOTES)), "--name", "folder", timeout=120)
    boxed.run("up", str(built(boxed, engine_image)), "--name", "built", "--health", "/health", timeout=120)
    for name in ("folder", "built"):
        assert boxed.ask("/one", name=name)[0] == 200
    file = boxed.folder.parent / "backup"
    boxed.run("backup", str(file), "--with-key")
    image = boxed.json("inspect", "built")["workload"]["image"]
    boxed.run("remove", "--all", "--yes")
    assert image not in engine.docker("images", "--no-trunc", "--quiet")
    with another(boxed) as new:
        told = new.run("restore", str(file), "--into", str(new.folder))
        assert "images are not in the backup" in told.stderr
        new.run("serve", "--detach")
        assert wait_until(lambda: inspected(new, "folder")[0] == "running", 60)
        assert "/one" in new.ask("/two", name="folder")[1], "what it wrote came along"
        assert wait_until(lambda: inspected(new, "built")[0] == "crashed", 60)
        assert "has no image" in inspected(new, "built")[1] and "deploy the agent again" in inspected(new, "built")[1]
        new.run("up", str(boxed.folder.parent / "built"), "--name", "built", "--health", "/health", timeout=120)
        assert "/one" in new.ask("/two", name="built")[1]

# SPDX-License-Identifier: Apache-2.0
"""Sources that are named by a file or by a name keep the same promises as folders and repositories."""

from __future__ import annotations

import shutil

import pytest

from homeport.drivers.fetchers.agents import AgentsFetcher
from homeport.drivers.fetchers.dockerfile import DockerfileFetcher
from homeport.drivers.fetchers.folder import FolderFetcher
from homeport.drivers.fetchers.git import GitFetcher, Options
from homeport.drivers.fetchers.template import Options as TemplateOptions
from homeport.drivers.fetchers.template import TemplateFetcher
from homeport.model.source import SourceKind
from homeport.testing.conformance.fetcher import FetcherSuite

AGENTS = """\
apiVersion: agentainer/v1
kind: AgentDeployment
spec:
  agents:
    - name: one
      source: {place}
"""
TEMPLATE = """\
name: {name}
version: 0.1.0
description: made for a test
agent:
  name: {name}
  source: files
"""


class Workshop:
    """Sources below `root`; `named(folder)` makes what names them and returns the locator."""

    def __init__(self, root, named, besides):
        self.root, self.named, self.besides, self.folders = root, named, besides, {}

    def make(self, files):
        folder = self.root / f"source{len(self.folders)}" / "files"
        self._write(folder, files)
        locator = self.named(folder)
        self.folders[locator] = folder
        return locator

    def change(self, locator, files):
        shutil.rmtree(self.folders[locator])
        self._write(self.folders[locator], files)

    def _write(self, folder, files):
        for path, data in {**self.besides, **files}.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(data)


class TestDockerfileFetcher(FetcherSuite):
    besides = {"Dockerfile": b"FROM scratch\n"}

    @pytest.fixture
    def fetcher(self):
        return DockerfileFetcher(FolderFetcher())

    @pytest.fixture
    def workshop(self, tmp_path):
        return Workshop(tmp_path / "sources", lambda folder: str(folder / "Dockerfile"), self.besides)


class TestAgentsFetcher(FetcherSuite):
    async def test_a_source_is_found_again_by_its_record(self, fetcher, workshop):
        """Its source is of the kind of what the agent is made of: that kind's fetcher finds it again."""
        view = await fetcher.fetch(workshop.make({"a": b"1"}))
        view.close()
        assert view.source.kind is SourceKind.FOLDER and view.source.locator.endswith("/files")

    @pytest.fixture
    def fetcher(self, tmp_path):
        folder = FolderFetcher()
        inner = {
            "folder": folder,
            "git": GitFetcher(Options(cache=tmp_path / "cache")),
            "dockerfile": DockerfileFetcher(folder),
        }
        return AgentsFetcher(inner=inner)

    @pytest.fixture
    def workshop(self, tmp_path):
        def named(folder):
            (folder.parent / "agents.yaml").write_text(AGENTS.format(place="files"))
            return f"{folder.parent / 'agents.yaml'}#one"

        return Workshop(tmp_path / "sources", named, {})


class TestTemplateFetcher(FetcherSuite):
    @pytest.fixture
    def fetcher(self, tmp_path):
        return TemplateFetcher(TemplateOptions(folder=tmp_path / "sources"), inner={"folder": FolderFetcher()})

    @pytest.fixture
    def workshop(self, tmp_path):
        def named(folder):
            name = folder.parent.name
            (folder.parent / "template.yaml").write_text(TEMPLATE.format(name=name))
            return f"template:{name}"

        return Workshop(tmp_path / "sources", named, {})

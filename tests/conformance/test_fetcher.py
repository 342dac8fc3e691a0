# SPDX-License-Identifier: Apache-2.0
"""Every Fetcher driver, and the fake, keeps the same promises."""

from __future__ import annotations

import shutil

import pytest

from fetching import GitServer, commit
from homeport.drivers.fetchers.folder import FolderFetcher
from homeport.drivers.fetchers.git import GitFetcher, Options
from homeport.testing.conformance.fetcher import FetcherSuite
from homeport.testing.fetchers import DictFetcher


class Folders:
    def __init__(self, root):
        self.root = root

    def make(self, files):
        folder = self.root / f"source{len(list(self.root.iterdir()))}"
        folder.mkdir()
        self._write(folder, files)
        return str(folder)

    def change(self, locator, files):
        folder = type(self.root)(locator)
        shutil.rmtree(folder)
        folder.mkdir()
        self._write(folder, files)

    def _write(self, folder, files):
        for path, data in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(data)


class Repositories(Folders):
    """`change` makes a new history: the old commit cannot be had any more."""

    def change(self, locator, files):
        shutil.rmtree(type(self.root)(locator) / ".git")
        self._write(type(self.root)(locator), files)

    def _write(self, folder, files):
        commit(folder, files)


class Served(Repositories):
    def __init__(self, root, server, cache):
        super().__init__(root)
        self.server, self.cache = server, cache

    def make(self, files):
        return f"{self.server.url}/{super().make(files).rsplit('/', 1)[-1]}/.git"

    def change(self, locator, files):
        super().change(str(self.root / locator.split("/")[-2]), files)
        shutil.rmtree(self.cache)


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "sources"
    folder.mkdir()
    return folder


class TestFolderFetcher(FetcherSuite):
    @pytest.fixture
    def fetcher(self):
        return FolderFetcher()

    @pytest.fixture
    def workshop(self, root):
        return Folders(root)


class TestGitFetcherOnLocalRepositories(FetcherSuite):
    @pytest.fixture
    def fetcher(self, tmp_path):
        return GitFetcher(Options(cache=tmp_path / "cache"))

    @pytest.fixture
    def workshop(self, root):
        return Repositories(root)


class TestGitFetcherOverHttp(FetcherSuite):
    @pytest.fixture
    def fetcher(self, tmp_path):
        return GitFetcher(Options(cache=tmp_path / "cache", schemes=("http",)))

    @pytest.fixture
    def workshop(self, root, tmp_path):
        server = GitServer(root)
        yield Served(root, server, tmp_path / "cache")
        server.close()


class TestDictFetcher(FetcherSuite):
    @pytest.fixture
    def fetcher(self):
        return DictFetcher({})

    @pytest.fixture
    def workshop(self, fetcher):
        class Dictionaries:
            def make(self, files):
                fetcher.sources["some"] = dict(files)
                return "some"

            def change(self, locator, files):
                fetcher.sources[locator] = dict(files)

        return Dictionaries()

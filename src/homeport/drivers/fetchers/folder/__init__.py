# SPDX-License-Identifier: Apache-2.0
"""Plain folders of this machine, read without following a single link."""

from homeport.drivers.fetchers.folder.fetcher import FolderFetcher, Options

__all__ = ["FolderFetcher", "Options"]

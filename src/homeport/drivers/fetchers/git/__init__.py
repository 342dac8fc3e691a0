# SPDX-License-Identifier: Apache-2.0
"""Git repositories, at an https address or on this machine, read from their objects: there is never a checkout."""

from homeport.drivers.fetchers.git.fetcher import GitFetcher
from homeport.drivers.fetchers.git.options import Options

__all__ = ["GitFetcher", "Options"]

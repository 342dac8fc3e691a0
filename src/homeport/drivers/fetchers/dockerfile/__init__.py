# SPDX-License-Identifier: Apache-2.0
"""One Dockerfile in its build context, a plain folder. Nothing is built here."""

from homeport.drivers.fetchers.dockerfile.fetcher import DockerfileFetcher

__all__ = ["DockerfileFetcher"]

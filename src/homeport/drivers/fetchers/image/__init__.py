# SPDX-License-Identifier: Apache-2.0
"""Container images, by what they say of themselves: the engine is asked, nothing is started."""

from homeport.drivers.fetchers.image.fetcher import ImageFetcher, Options

__all__ = ["ImageFetcher", "Options"]

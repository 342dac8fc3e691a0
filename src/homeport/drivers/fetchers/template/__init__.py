# SPDX-License-Identifier: Apache-2.0
"""Templates that ship with Homeport: a folder each below `shipped`, with `template.yaml` and its files."""

from homeport.drivers.fetchers.template.fetcher import Options, TemplateFetcher

__all__ = ["Options", "TemplateFetcher"]

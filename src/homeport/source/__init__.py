# SPDX-License-Identifier: Apache-2.0
"""From what the user typed to a Source and a bounded FileView.

Belongs here: recognising locators, caps, rules about paths. Does not belong here: Git, files, sockets (drivers).
The rules that drivers obey as well are in `model.locator` and `model.paths`, since stages and drivers never meet."""

from homeport.model.locator import Locator, plain_path, recognise
from homeport.source.choose import choose_fetcher

__all__ = ["Locator", "choose_fetcher", "plain_path", "recognise"]

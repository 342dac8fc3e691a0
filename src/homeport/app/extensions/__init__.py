# SPDX-License-Identifier: Apache-2.0
"""The user's own selectors and hooks: found, loaded, called, and kept from doing harm by accident.

Found in two places, never in a repository: installed distributions with entry points (`homeport.selectors`,
`homeport.hooks`), and `*.py` files in the folders of `Settings.paths.plugins` that only the user (or root) can write.
The contract of what they may define is `homeport.interfaces.extension`.

They are the user's code, with the user's rights, in the user's process: this is no wall against them. It is a fence
against mistakes: nothing they raise, print, or wait for ends a command, but a hook that says no before the launch.

Belongs here: finding, loading, calling. Does not belong here: which offers will do, and launching.
"""

from homeport.app.extensions.calling import LIMIT_S, aside
from homeport.app.extensions.finding import Found, find_extensions
from homeport.app.extensions.loading import load_extensions
from homeport.app.extensions.using import Extensions, facts

__all__ = ["LIMIT_S", "Extensions", "Found", "aside", "facts", "find_extensions", "load_extensions"]

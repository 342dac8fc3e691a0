# SPDX-License-Identifier: Apache-2.0
"""The user's own selectors and hooks, by name; they are looked at, not loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from homeport.cli.checks import Check

if TYPE_CHECKING:
    from homeport.settings import Settings


def checks(settings: Settings) -> list[Check]:
    """One line for each; one that is not used says why. None, where there are none."""
    from homeport.app.extensions.finding import find_extensions

    found = find_extensions(settings.paths.plugins)
    return [
        Check(f"extension {one.name}", not one.trouble, f"{' and '.join(one.roles)}, {one.where}")
        if not one.trouble
        else Check(f"extension {one.name}", False, f"not used: {one.trouble} ({one.where})")
        for one in found
    ]

# SPDX-License-Identifier: Apache-2.0
"""Agents as supervised, confined processes of this machine; the default, with nothing to install.

`client.py` is the driver: it speaks to the keeper (`serve/keeper`), which is the parent of the processes. All
other modules are standard library only, because the keeper imports them; the driver's SDK-free half lives here and
not with the keeper so that the walls around a process are in one folder.
"""

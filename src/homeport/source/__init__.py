# SPDX-License-Identifier: Apache-2.0
"""From what the user typed to a Source and a bounded FileView.

Belongs here: recognising locators, caps, rules about paths. Does not belong here: Git, files, sockets (drivers)."""

# SPDX-License-Identifier: Apache-2.0
"""request → journal → agent → response.

Belongs here: the sans-io core (`core`: events in, commands out), the only modules that own sockets (`sockets`), and
between them the service: accept, deliver, wait, dispatch, answer. Does not belong here: SQL, web frameworks,
decisions about agents' lives."""

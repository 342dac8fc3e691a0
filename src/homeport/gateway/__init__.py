# SPDX-License-Identifier: Apache-2.0
"""request → journal → agent → response.

Belongs here: the sans-io core (events in, commands out), the HTTP/1.1 parsing and writing around it, and the one
module that owns sockets. Does not belong here: SQL, web frameworks, decisions about agents' lives."""

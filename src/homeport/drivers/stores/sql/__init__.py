# SPDX-License-Identifier: Apache-2.0
"""State in SQL tables: in one SQLite file, or in PostgreSQL for several servers.

Tables, statements and migrations are the same on both and private to this folder; what differs between the two
databases (opening, errors, waiting) has a folder each.
"""

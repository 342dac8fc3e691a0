# SPDX-License-Identifier: Apache-2.0
"""Alembic's: run by `upgrade`, never imported. A released revision is never edited."""

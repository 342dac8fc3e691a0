# SPDX-License-Identifier: Apache-2.0
"""Commands: parse, call app or client, print. Data on stdout, progress on stderr. No logic."""

# SPDX-License-Identifier: Apache-2.0
"""One module (or package) per ecosystem: files in, claims out, each claim with file, line, rule and confidence.

A module here has `RULES`, a `Ruleset`; a new one is found by itself. Rule ids are `ecosystem.what-was-seen`."""

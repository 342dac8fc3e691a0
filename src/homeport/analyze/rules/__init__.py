# SPDX-License-Identifier: Apache-2.0
"""One module per ecosystem: files in, claims out, each claim with file, line, rule and confidence."""

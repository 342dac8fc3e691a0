# SPDX-License-Identifier: Apache-2.0
"""The story of Homeport in one file (written once the stages stand)."""

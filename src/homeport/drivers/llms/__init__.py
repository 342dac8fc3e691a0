# SPDX-License-Identifier: Apache-2.0
"""Models that may be asked for advice."""

# SPDX-License-Identifier: Apache-2.0
"""Plan → Machine, as durable steps that are compensated on failure. Talks to Cloud and Steps only."""

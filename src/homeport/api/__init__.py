# SPDX-License-Identifier: Apache-2.0
"""The management API under /v1: parse, call app, answer. pydantic lives here and nowhere else."""

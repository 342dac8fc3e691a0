# SPDX-License-Identifier: Apache-2.0
"""Drivers of one interface; see `interfaces/extension_points.py`."""

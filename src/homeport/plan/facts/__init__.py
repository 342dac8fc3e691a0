# SPDX-License-Identifier: Apache-2.0
"""Dated tables of machine types, used when no cloud can be asked."""

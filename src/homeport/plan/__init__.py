# SPDX-License-Identifier: Apache-2.0
"""Requirements + offers → Plan: the choice, its price, and why each other candidate lost. Pure."""

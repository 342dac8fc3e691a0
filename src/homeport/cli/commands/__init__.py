# SPDX-License-Identifier: Apache-2.0
"""The verbs, a module per family; each is imported when one of its verbs is called."""

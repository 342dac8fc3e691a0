# SPDX-License-Identifier: Apache-2.0
"""The only place that composes api, web and gateway into processes."""

# SPDX-License-Identifier: Apache-2.0
"""Shipped fakes and conformance suites, for our tests and for those of other people's drivers."""

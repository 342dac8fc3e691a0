# SPDX-License-Identifier: Apache-2.0
"""One suite per interface. Subclass it in a test module, give the fixture it names, and every behaviour is checked."""

# SPDX-License-Identifier: Apache-2.0
"""Finding → diagnosis → policy → Action → verify → revert → learn. Returns Actions; never performs them."""

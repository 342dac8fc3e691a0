# SPDX-License-Identifier: Apache-2.0
"""The durable gateway against proxies that forget, on this machine and in the same run.

Every contestant carries the same requests to the same agent: POST of 100 bytes with a token and an `Idempotency-Key`
of its own, from wrk on loopback. Only Homeport looks at token and key; the others pass them on.
"""

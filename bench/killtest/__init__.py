# SPDX-License-Identifier: Apache-2.0
"""SIGKILL for gateway, agents and journal database in the middle of traffic; then two ledgers are compared.

Clients write down what they were promised, agents what they executed. `checker` reads nothing else: neither the
journal nor anything the gateway says of itself, but what it told a client that asked.
"""

# SPDX-License-Identifier: Apache-2.0
"""The only modules with sockets: clients on one side, agents on the other. They move bytes and decide nothing."""

# SPDX-License-Identifier: Apache-2.0
"""What the gateway decides, without a socket, a file, a clock or a random number: events in, commands out."""

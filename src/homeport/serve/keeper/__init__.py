# SPDX-License-Identifier: Apache-2.0
"""The keeper process: parent of process agents, owner of log pipes and listening sockets.

Standard library only: it is small, starts at once, and survives the restart of everything else."""

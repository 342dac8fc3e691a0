# SPDX-License-Identifier: Apache-2.0
"""Machine + workload → Agent: the life of an agent as a pure state machine, and its health policy."""

# SPDX-License-Identifier: Apache-2.0
"""Real servers for tests and measurements: started in a folder of their own, ended with everything they made.

Belongs here: bringing one up and down, and breaking it on purpose.
Does not belong here: what is tested on it.
"""

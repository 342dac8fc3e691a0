# SPDX-License-Identifier: Apache-2.0
"""Measurements against peers on this machine: `python -m bench.NAME [--quick] [--json] [--save]`.

Each runs Homeport and its peer in turns, prints the machine, the versions and the ratio, and says whether the goal is
met. `--save` writes the result to docs/measurements/, from which `bench.report` makes the table of the README.
"""

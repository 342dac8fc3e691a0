# SPDX-License-Identifier: Apache-2.0
"""Backup and restore: one archive of everything that is not on the machine by itself.

Consistent means: a restore finds what a power cut of the whole machine would have left at one moment, the cut, with
these differences, each to the safe side:

- state.db, durable.db and the register of machines are of exactly that moment: a deployment is at one step in all.
- The journal is a little older than those: it names no agent that they do not know, unless it was removed by then.
  Every spooled body that it names is there.
- Agents' data is older than the journal: what an agent did to its data was asked for by a request that the journal
  knows as in flight or answered, so that restoring never has it done twice. It is read file by file while agents run:
  an agent that keeps a database of its own should be stopped for the backup, or back that up itself.
- All code that any record of that moment names is complete: nothing of agents is deleted between the cut and the copy.
- The audit trail is newer than all of it.

Where servers share a database, all three are read from one transaction: the journal is of exactly that moment, too.

Belongs here: what an archive holds, making one, reading one that may be hostile, and putting it in the place of a home.
Does not belong here: how a database is copied (its driver does that), and doors.
"""

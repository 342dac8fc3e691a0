# SPDX-License-Identifier: Apache-2.0
"""Telling webhooks of changes: what is said and how it is signed, where may be connected to, sending, and what the
control plane may ask about it. That a change is to be told is the journal's to note (`interfaces.outbox`)."""

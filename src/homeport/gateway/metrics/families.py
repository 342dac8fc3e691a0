# SPDX-License-Identifier: Apache-2.0
"""Everything that is told, with what it means. `docs/how-to/metrics.md` says the same, and a test compares the two."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

COUNTER, GAUGE, HISTOGRAM = "counter", "gauge", "histogram"


@dataclass(frozen=True, slots=True)
class Family:
    """A metric by the naming rules of Prometheus: base units, counters end in `_total`. `labels` are all it has."""

    name: str
    kind: str
    help: str
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reading:
    """One number of a family at the moment it is asked for; labels by name, their values of any text."""

    family: Family
    value: float
    labels: Mapping[str, str] | None = None


_OF_AGENT = ("namespace", "agent")


def _family(name: str, kind: str, meaning: str, *labels: str) -> Family:
    return Family(f"homeport_gateway_{name}", kind, meaning, labels)


ACCEPTED = _family("requests_accepted_total", COUNTER, "Requests written to the journal.", *_OF_AGENT)
ENDED = _family(
    "requests_ended_total", COUNTER,
    "Requests that ended: completed with an answer, failed, or dead letters; code is the class of the last answer.",
    *_OF_AGENT, "outcome", "code",
)  # fmt: skip
RETRIES = _family("retries_total", COUNTER, "Attempts after which a request was put back to be sent again.", *_OF_AGENT)
PROMISES = _family("promises_total", COUNTER, "Answers 202: the caller was given an id instead of the answer.")
REFUSED = _family("refused_total", COUNTER, "Answers of the gateway in its own name.", "reason", "code")
PENDING = _family("pending_requests", GAUGE, "Requests that wait for their agent.", *_OF_AGENT)
OLDEST = _family("oldest_pending_age_seconds", GAUGE, "Since the oldest that waits was accepted.", *_OF_AGENT)
IN_FLIGHT = _family("in_flight_requests", GAUGE, "Requests and WebSockets under way to an agent.", *_OF_AGENT)
READY = _family("agent_ready", GAUGE, "1 while an instance of the agent takes requests.", *_OF_AGENT)
CIRCUIT = _family("circuit_open", GAUGE, "1 while the agent refuses connections and is only tried.", *_OF_AGENT)
AGENT_TIME = _family("agent_duration_seconds", HISTOGRAM, "From sending to the end of the agent's answer.", *_OF_AGENT)
QUEUE_TIME = _family(
    "queue_duration_seconds", HISTOGRAM, "From acceptance to the first attempt; at once counts as 0.", *_OF_AGENT
)
TOTAL_TIME = _family(
    "request_duration_seconds", HISTOGRAM, "From a request's last byte to the end of its answer, as its client saw it."
)
SYNC_TIME = _family(
    "journal_sync_duration_seconds", HISTOGRAM, "What a commit of the journal took, disk sync included."
)
STORED = _family("stored_requests", GAUGE, "Requests in the journal.", "state")
JOURNAL_UP = _family("journal_up", GAUGE, "0 while the journal does not answer and nothing is accepted.")
JOURNAL_SIZE = _family("journal_size_bytes", GAUGE, "Size of the journal.", "part")
SPOOL_SIZE = _family("spool_size_bytes", GAUGE, "Large bodies in files beside the journal, or copies of them.")
DISK_FREE = _family("disk_free_bytes", GAUGE, "Free space where the large bodies are.")
CONNECTIONS = _family("connections", GAUGE, "Connections of clients.", "listener")
CONNECTIONS_MOST = _family("connections_limit", GAUGE, "How many connections of clients there may be on TCP.")
TUNNELS = _family("websockets_open", GAUGE, "WebSockets that are open.", *_OF_AGENT)
TUNNELS_OPENED = _family("websockets_opened_total", COUNTER, "WebSockets that were opened.", *_OF_AGENT)
TUNNELS_SENT = _family("websocket_sent_bytes_total", COUNTER, "Bytes passed to the agent in WebSockets.", *_OF_AGENT)
TUNNELS_RECEIVED = _family(
    "websocket_received_bytes_total", COUNTER, "Bytes passed from the agent in WebSockets.", *_OF_AGENT
)
WEBHOOK_TRIES = _family(
    "webhook_tries_total", COUNTER, "Messages sent to webhooks: delivered, deferred to be sent again, dead.", "outcome"
)
WEBHOOKS_WAITING = _family("webhook_messages_waiting", GAUGE, "Messages to webhooks that are still to be taken.")
WEBHOOKS_DEAD = _family("webhook_messages_dead", GAUGE, "Messages to webhooks that were given up.")
WEBHOOKS_STOPPED = _family("webhooks_stopped", GAUGE, "Webhooks that answered 410 and get nothing more.")
INFO = _family("info", GAUGE, "Always 1; says which version runs.", "version")
CPU = Family("process_cpu_seconds_total", COUNTER, "CPU time of the gateway process.")
MEMORY = Family("process_resident_memory_bytes", GAUGE, "Resident memory of the gateway process.")
OPEN_FILES = Family("process_open_fds", GAUGE, "Open files and sockets of the gateway process.")
MOST_FILES = Family("process_max_fds", GAUGE, "How many it may have.")
STARTED = Family("process_start_time_seconds", GAUGE, "When the gateway process started, since the epoch.")

FAMILIES = tuple(value for value in list(globals().values()) if isinstance(value, Family))

# SPDX-License-Identifier: Apache-2.0
"""Counters of the data plane, as Prometheus reads them. Written by hand: five families do not need a library."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping

from homeport.gateway.core.access import Key
from homeport.gateway.core.message import ResponseHead
from homeport.model.request import RequestState, StoredRequest

_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0)


class Metrics:
    def __init__(self) -> None:
        self._answers: dict[tuple[str, str, int], int] = {}
        self._released: dict[tuple[str, str, str], int] = {}
        self._refused: dict[int, int] = {}
        self._buckets = [0] * (len(_BOUNDS) + 1)
        self._seconds = 0.0
        self._tunnels: dict[Key, list[int]] = {}

    def answered(self, request: StoredRequest, head: ResponseHead | None) -> None:
        """An agent answered the whole of it."""
        label = (request.namespace, request.agent, head.status // 100 if head else 0)
        self._answers[label] = self._answers.get(label, 0) + 1

    def took(self, seconds: float) -> None:
        """From the request's last byte to the end of its answer, as the client saw it."""
        self._buckets[bisect_left(_BOUNDS, seconds)] += 1
        self._seconds += seconds

    def released(self, key: Key, state: RequestState) -> None:
        label = (*key, state.value)
        self._released[label] = self._released.get(label, 0) + 1

    def tunnel_opened(self, key: Key) -> None:
        counts = self._tunnels.setdefault(key, [0, 0, 0, 0])
        counts[0] += 1
        counts[1] += 1

    def tunnel_ended(self, key: Key, up: int, down: int) -> None:
        """`up` bytes went to the agent, `down` to the client."""
        counts = self._tunnels[key]
        counts[0] -= 1
        counts[2] += up
        counts[3] += down

    def refused(self, status: int) -> None:
        """Answered by the gateway itself."""
        self._refused[status] = self._refused.get(status, 0) + 1

    def text(self, backlog: Mapping[Key, int], in_flight: int, *, journal_up: bool, broken: Iterable[Key] = ()) -> str:
        """In the Prometheus text format 0.0.4. Names are DNS labels: nothing needs escaping."""
        lines = ["# TYPE homeport_gateway_answers_total counter"]
        for (namespace, agent, kind), n in sorted(self._answers.items()):
            labels = f'namespace="{namespace}",agent="{agent}",status="{kind}xx"'
            lines.append(f"homeport_gateway_answers_total{{{labels}}} {n}")
        lines.append("# TYPE homeport_gateway_unanswered_total counter")
        for (namespace, agent, state), n in sorted(self._released.items()):
            labels = f'namespace="{namespace}",agent="{agent}",became="{state}"'
            lines.append(f"homeport_gateway_unanswered_total{{{labels}}} {n}")
        lines.append("# TYPE homeport_gateway_own_answers_total counter")
        lines += [f'homeport_gateway_own_answers_total{{status="{s}"}} {n}' for s, n in sorted(self._refused.items())]
        lines.append("# TYPE homeport_gateway_pending gauge")
        for (namespace, agent), n in sorted(backlog.items()):
            lines.append(f'homeport_gateway_pending{{namespace="{namespace}",agent="{agent}"}} {n}')
        lines.append("# TYPE homeport_gateway_circuit_open gauge")
        for namespace, agent in sorted(broken):
            lines.append(f'homeport_gateway_circuit_open{{namespace="{namespace}",agent="{agent}"}} 1')
        lines += ["# TYPE homeport_gateway_journal_up gauge", f"homeport_gateway_journal_up {int(journal_up)}"]
        lines += ["# TYPE homeport_gateway_in_flight gauge", f"homeport_gateway_in_flight {in_flight}"]
        lines += self._tunnel_lines()
        lines.append("# TYPE homeport_gateway_seconds histogram")
        total = 0
        for bound, n in zip((*map(str, _BOUNDS), "+Inf"), self._buckets, strict=True):
            total += n
            lines.append(f'homeport_gateway_seconds_bucket{{le="{bound}"}} {total}')
        lines += [f"homeport_gateway_seconds_sum {self._seconds:.6f}", f"homeport_gateway_seconds_count {total}"]
        return "\n".join(lines) + "\n"

    def _tunnel_lines(self) -> list[str]:
        lines = []
        for n, name in enumerate(("open", "total", "sent_bytes_total", "received_bytes_total")):
            kind = "counter" if n else "gauge"
            lines.append(f"# TYPE homeport_gateway_websockets_{name} {kind}")
            for (namespace, agent), counts in sorted(self._tunnels.items()):
                labels = f'namespace="{namespace}",agent="{agent}"'
                lines.append(f"homeport_gateway_websockets_{name}{{{labels}}} {counts[n]}")
        return lines

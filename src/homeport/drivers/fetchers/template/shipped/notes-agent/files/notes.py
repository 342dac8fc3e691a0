# SPDX-License-Identifier: Apache-2.0
"""Notes as files, found again by BM25."""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import threading
from collections import Counter
from pathlib import Path

K1, B = 1.2, 0.75
"""The usual BM25 constants: how soon repeated words stop counting, and how much long notes are held back."""


class Notes:
    """A folder of JSON files, one per note. The id is a digest of the text: adding a note twice keeps one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._texts: dict[str, str] = {}
        self._counts: dict[str, Counter[str]] = {}
        folder.mkdir(parents=True, exist_ok=True)
        for path in sorted(folder.glob("*.json")):
            note = json.loads(path.read_text())
            self._index(note["id"], note["text"])

    def __len__(self) -> int:
        return len(self._texts)

    def add(self, text: str) -> dict[str, object]:
        """The stored note; on disk before this returns."""
        note_id = hashlib.sha256(text.encode()).hexdigest()[:12]
        with self._lock:
            if note_id not in self._texts:
                self._write(note_id, text)
                self._index(note_id, text)
        return {"id": note_id, "text": text}

    def get(self, note_id: str) -> dict[str, object] | None:
        text = self._texts.get(note_id)
        return None if text is None else {"id": note_id, "text": text}

    def search(self, query: str, *, limit: int) -> list[dict[str, object]]:
        """The best notes first; those that share no word with the query are left out."""
        with self._lock:
            scores = {note_id: self._score(set(tokens(query)), counts) for note_id, counts in self._counts.items()}
        best = sorted((item for item in scores.items() if item[1] > 0), key=lambda item: (-item[1], item[0]))
        return [{"id": i, "score": round(score, 3), "text": self._texts[i]} for i, score in best[:limit]]

    def _score(self, query: set[str], counts: Counter[str]) -> float:
        total = len(self._counts)
        mean = sum(c.total() for c in self._counts.values()) / total
        score = 0.0
        for word in query & counts.keys():
            holders = sum(1 for other in self._counts.values() if word in other)
            rarity = math.log(1 + (total - holders + 0.5) / (holders + 0.5))
            weight = counts[word] * (K1 + 1) / (counts[word] + K1 * (1 - B + B * counts.total() / mean))
            score += rarity * weight
        return score

    def _index(self, note_id: str, text: str) -> None:
        self._texts[note_id] = text
        self._counts[note_id] = Counter(tokens(text))

    def _write(self, note_id: str, text: str) -> None:
        """Whole or not at all: written aside, synced, renamed."""
        aside = self._folder / f"{note_id}.tmp"
        with aside.open("w") as file:
            json.dump({"id": note_id, "text": text}, file)
            file.flush()
            os.fsync(file.fileno())
        aside.rename(self._folder / f"{note_id}.json")


def tokens(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())

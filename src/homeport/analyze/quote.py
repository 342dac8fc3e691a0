# SPDX-License-Identifier: Apache-2.0
"""Quotes of hostile text: short, printable, and without what looks like a secret."""

from __future__ import annotations

import re

from homeport.model.paths import printable

LIMIT = 160
_NAMED = re.compile(
    r"(?i)([\w.-]{0,40}(?:api[_-]?key|secret|token|passw(?:or)?d|passwd|pwd|credential|authorization|private[_-]?key)"
    r"[\w.-]{0,20}[\"']?\s{0,3}[:=]{1,2}\s{0,3}(?:bearer\s|basic\s)?[\"']?)([^\s\"',;)(\[\]]{3,})"
)
_KNOWN = re.compile(
    r"\b(sk-[\w-]{8,}|gh[pousr]_\w{10,}|github_pat_\w{10,}|glpat-[\w-]{10,}|xox[abprs]-[\w-]{8,}|AKIA[0-9A-Z]{12,}"
    r"|AIza[\w-]{20,}|hf_\w{16,}|hp_[\w-]{20,}|eyJ[\w-]{10,}\.[\w-]{5,}\S*|-----BEGIN [A-Z ]+-----)"
)
_IN_ADDRESS = re.compile(r"(\w{2,12}://)[^/\s@]{1,200}@")
_RANDOM = re.compile(r"(?<![\w/@:.-])(?=[A-Za-z+/_-]{0,60}\d)(?=[\d+/_=-]{0,60}[A-Za-z])[A-Za-z0-9+/_=-]{32,}(?![\w.])")
_MASK = "***"


def quote(line: str) -> str:
    """At most 160 printable characters of a line; values that look like secrets are replaced by `***`."""
    text = printable(line[:1000], 400)
    text = _IN_ADDRESS.sub(rf"\1{_MASK}@", text)
    text = _NAMED.sub(_keep_lookups, text)
    text = _KNOWN.sub(_MASK, text)
    text = _RANDOM.sub(_MASK, text)
    return text if len(text) <= LIMIT else text[: LIMIT - 1] + "…"


def _keep_lookups(match: re.Match[str]) -> str:
    """`token = os.environ` and `key: $NAME` name a secret without giving it away."""
    value = match[2]
    lookup = value.startswith(("os.", "process.env", "$", "${", "settings.", "config.", "getenv"))
    return match[0] if lookup else match[1] + _MASK

# SPDX-License-Identifier: Apache-2.0
"""XML as a flat list of elements with their lines. No document type is taken, so no entity is ever expanded."""

from __future__ import annotations

from dataclasses import dataclass, field

_CHARS = 262_144
_ELEMENTS = 20_000
_DEPTH = 40
_TEXT = 2_000


class XmlError(Exception):
    """It cannot be read, or is not worth it."""


@dataclass(slots=True)
class Element:
    """`path` are the names from the root down, without their namespaces."""

    path: tuple[str, ...]
    line: int
    attributes: dict[str, str]
    text: str = ""

    @property
    def name(self) -> str:
        return self.path[-1]


@dataclass(slots=True)
class _Reading:
    elements: list[Element] = field(default_factory=list)
    open: list[Element] = field(default_factory=list)


def read_xml(text: str) -> list[Element]:
    """All elements in document order. Raises `XmlError` for what is broken, too deep, too large, or has a DTD."""
    from xml.parsers import expat

    if len(text) > _CHARS:
        raise XmlError("it is larger than 256 KiB")
    state = _Reading()
    parser = expat.ParserCreate()

    def start(name: str, attributes: dict[str, str]) -> None:
        if len(state.open) >= _DEPTH or len(state.elements) >= _ELEMENTS:
            raise XmlError("it is too large or too deep")
        path = (*(state.open[-1].path if state.open else ()), name.rpartition(":")[2])
        one = Element(path, parser.CurrentLineNumber, attributes)
        state.elements.append(one)
        state.open.append(one)

    def end(_: str) -> None:
        state.open.pop()

    def characters(data: str) -> None:
        if state.open and len(state.open[-1].text) < _TEXT:
            state.open[-1].text += data[:_TEXT]

    def refuse(*_: object) -> int:
        raise XmlError("it has a document type of its own")

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = characters
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    parser.ExternalEntityRefHandler = refuse
    try:
        parser.Parse(text.encode("utf-8", "replace"), True)
    except expat.ExpatError as error:
        raise XmlError(f"not valid XML: {error}") from None
    except (ValueError, LookupError):
        raise XmlError("its encoding is not known") from None
    return state.elements

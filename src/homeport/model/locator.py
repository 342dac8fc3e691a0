# SPDX-License-Identifier: Apache-2.0
"""What a user typed, told apart: an address on the network, a place on this machine, an image, a template.

Nothing is looked at. Locators are

    ./folder  /path  ~/path          a folder, or a local Git repository
    https://HOST/OWNER/REPO…         a Git repository, with /tree/REF/FOLDER if need be
    image:NAME[:TAG][@DIGEST]        an image of a container engine; docker://NAME is the same
    template:NAME[?PARAMETER=VALUE]  one that ships with Homeport
    path/to/Dockerfile[.KIND]        an image built in the folder around it; also Containerfile, *.dockerfile
    path/to/FILE.yaml[#AGENT]        one agent of an agents file; also *.yml
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePath
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from homeport.errors import InvalidSource
from homeport.model.imagename import parse_image
from homeport.model.names import LABEL
from homeport.model.source import Source, SourceKind

SCHEMES = ("https",)
_REFUSED = {
    "http": "plain http can be read and changed on the way",
    "git": "the git protocol is neither encrypted nor authenticated",
    "ssh": "ssh would use your private keys",
    "git+ssh": "ssh would use your private keys",
    "file": "a local repository is named by its path",
}
_HINTS = {"file": "give the folder itself, for example ./my-agent", "http": "give the https address of the same"}
_HTTPS_HINT = "give the https address, for example https://github.com/OWNER/REPO"
_REF = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._/+@-]{0,199}")
_COMMIT = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
_IMAGE_HINT = "write image:NAME:TAG, for example image:nginx:1.27"
_TEMPLATE_HINT = "write template:NAME, for example template:notes-agent"
_PARAMETER = re.compile(r"[a-z][a-z0-9_]{0,39}")
_DOCKERFILE = re.compile(
    r"(?i)(?:docker|container)file(?:\.(?!dockerignore$)[\w.-]{1,60})?|[\w.-]{1,60}\.(?:docker|container)file"
)
_AGENTS = re.compile(r"(?is)(.+\.ya?ml)(?:#([^/]*))?")


@dataclass(frozen=True, slots=True)
class Locator:
    """`address` is an https URL without a trailing slash, or a local path as typed (`remote` tells which).

    `ref` is a branch, tag or full commit, "" for the default; `subdir` a folder of the repository, "" for its root.
    With `kind` IMAGE the address is the image's name, with TEMPLATE the template's, its parameters in `ref`, sorted
    and encoded; None for all else. Of a path to an agents file `ref` is the agent that was chosen.
    """

    remote: bool
    address: str
    ref: str = ""
    subdir: str = ""
    kind: SourceKind | None = None


def recognise(text: str, *, schemes: tuple[str, ...] = SCHEMES) -> Locator:
    """Tell what kind of source `text` names. Raises `InvalidSource` saying why it is refused and what to do."""
    if not text or len(text) > 2000 or not text.isprintable():
        raise _refused(text, "it is empty, too long, or holds control characters", "give a folder or an https address")
    if text.startswith("-"):
        raise _refused(text, "it begins with a dash, so it could be taken for an option", f"write ./{text}")
    if re.match(r"[A-Za-z0-9+.-]+::", text):
        raise _refused(text, "Git's remote helpers can run programs", _HTTPS_HINT)
    if found := re.match(r"(?i)(?:image:|docker://)(.*)", text):
        return _image(text, found[1])
    if text.lower().startswith("template:"):
        return _template(text)
    if scheme := re.match(r"([A-Za-z][A-Za-z0-9+.-]*)://", text):
        return _remote(text, scheme[1].lower(), schemes)
    if re.match(r"(www\.)?(github|gitlab)\.com/", text):
        return _remote("https://" + text.removeprefix("www."), "https", schemes)
    if re.match(r"[^/]*:", text):
        hint = f"{_HTTPS_HINT}; for an image write image:{text}, for a folder of that name ./{text}"
        raise _refused(text, _REFUSED["ssh"], hint, secret=_may_hold_a_secret(text))
    if (found := _AGENTS.fullmatch(text)) and "#" in text:
        return Locator(remote=False, address=found[1], ref=_agent(text, found[2] or ""))
    return Locator(remote=False, address=text)


def plain_path(text: str, *, consent: bool = False) -> str:
    """A `file://` address as the path it names, all else as it is. Raises `InvalidSource` without consent.

    Who asks for it by a flag of its own has consented; a locator that came from elsewhere never has.
    """
    if not text.lower().startswith("file:"):
        return text
    if not consent:
        raise _refused(text, _REFUSED["file"], _HINTS["file"])
    parts = urlsplit(text)
    path = unquote(parts.path)
    if parts.netloc not in ("", "localhost") or not path.startswith("/") or parts.query or parts.fragment:
        raise _refused(text, "it names no path of this machine", "write file:///PATH, or the path alone")
    if not path.isprintable():
        raise _refused(text, "it holds control characters", "give the path alone")
    return path


def locator_of(source: Source) -> tuple[str, str]:
    """(locator, ref) that read exactly this source again, by the fetcher of its kind."""
    if source.kind is SourceKind.IMAGE:
        return f"image:{source.locator}", ""
    if source.kind is SourceKind.TEMPLATE:
        return f"template:{source.locator}{'?' if source.ref else ''}{source.ref}", ""
    if source.kind is SourceKind.GIT and source.subdir:
        return f"{source.locator}/tree/{source.commit}/{quote(source.subdir)}", ""
    return source.locator, source.commit or source.ref


def asked_for(source: Source) -> tuple[str, str]:
    """(locator, ref) that read what was asked for as it is now: the branch, not the commit that it was then."""
    if source.kind is not SourceKind.GIT:
        return locator_of(source)
    if source.subdir:
        return f"{source.locator}/tree/HEAD/{quote(source.subdir)}", source.ref
    return source.locator, source.ref


def names_dockerfile(path: str) -> bool:
    """Whether a path is called as Dockerfiles are."""
    return bool(_DOCKERFILE.fullmatch(PurePath(path).name))


def names_agents_file(path: str) -> bool:
    """Whether a path is called as agents files are."""
    return path.lower().endswith((".yaml", ".yml"))


def check_ref(ref: str) -> str:
    """The ref itself. Raises `InvalidSource` for what is no branch, tag or commit name."""
    bad = ".." in ref or "//" in ref or "@{" in ref or ref.endswith((".", "/", ".lock"))
    if ref and (bad or not _REF.fullmatch(ref)):
        raise InvalidSource(
            f"{_shown(ref)} is not the name of a branch, tag or commit", operation="fetch", hint="say it with --ref"
        )
    return ref


def is_commit(ref: str) -> bool:
    """Whether it is a full commit id; short ones cannot be asked of a server."""
    return bool(_COMMIT.fullmatch(ref))


def _image(text: str, reference: str) -> Locator:
    try:
        parse_image(reference)
    except ValueError as error:
        secret = _may_hold_a_secret(text)
        raise _refused(text, str(error), _IMAGE_HINT, secret=secret) from None
    return Locator(remote=False, address=reference, kind=SourceKind.IMAGE)


def _template(text: str) -> Locator:
    name, mark, query = text[len("template:") :].partition("?")
    if not LABEL.fullmatch(name):
        raise _refused(text, "that is not the name of a template", _TEMPLATE_HINT)
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=True, max_num_fields=50) if mark else []
    except ValueError:
        pairs = [("", "")]
    for parameter, value in pairs:
        if not _PARAMETER.fullmatch(parameter) or not value.isprintable():
            raise _refused(text, "its parameters cannot be read", f"{_TEMPLATE_HINT}, with ?NAME=VALUE&NAME=VALUE")
    if len(dict(pairs)) != len(pairs):
        raise _refused(text, "a parameter is given twice", "give each once")
    return Locator(remote=False, address=name, ref=urlencode(sorted(pairs)), kind=SourceKind.TEMPLATE)


def _agent(text: str, name: str) -> str:
    if not LABEL.fullmatch(name):
        raise _refused(text, f"{_shown(name)} cannot be an agent's name", "write FILE.yaml#NAME")
    return name


def _may_hold_a_secret(text: str) -> bool:
    return bool(re.search(r":[^/@]+@(?!sha256:)", text))


def _remote(text: str, scheme: str, schemes: tuple[str, ...]) -> Locator:
    if scheme not in schemes:
        why = _REFUSED.get(scheme, f"{scheme}:// is not a way to read a repository")
        raise _refused(text, why, _HINTS.get(scheme, _HTTPS_HINT), secret="@" in text)
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise _refused(text, "it is not an address", _HTTPS_HINT) from None
    if "@" in parts.netloc:
        hint = "remove what stands before the @; private repositories are read from a local clone"
        raise _refused(text, "secrets do not belong into addresses", hint, secret=True)
    if parts.query or parts.fragment:
        raise _refused(text, "an address of a repository has no ? and no #", _HTTPS_HINT)
    segments = [part for part in parts.path.split("/") if part]
    if not parts.hostname or not segments:
        raise _refused(text, "it names no repository", _HTTPS_HINT)
    for segment in segments:
        plain = unquote(segment)
        odd = plain in (".", "..") or "/" in plain or " " in plain or not plain.isprintable()
        if odd or (plain.startswith("-") and plain != "-"):
            raise _refused(text, f"{_shown(segment)} cannot be part of an address", _HTTPS_HINT)
    repository, ref, subdir = _split_tree(text, segments)
    host = parts.hostname if port is None else f"{parts.hostname}:{port}"
    return Locator(remote=True, address=f"{scheme}://{host}/{'/'.join(repository)}", ref=check_ref(ref), subdir=subdir)


def _split_tree(text: str, segments: list[str]) -> tuple[list[str], str, str]:
    """`owner/repo[/-]/tree/REF/folder…` as the forges write it. A ref with a slash must be given apart."""
    for mark in (["-", "tree"], ["src", "branch"], ["tree"], ["-", "blob"], ["blob"]):
        for at in range(2, len(segments) - len(mark)):
            if segments[at : at + len(mark)] == mark:
                if mark[-1] == "blob":
                    raise _refused(text, "it names one file", "give the address of the repository or of a folder")
                rest = [unquote(part) for part in segments[at + len(mark) :]]
                return segments[:at], rest[0], "/".join(rest[1:])
    return segments, "", ""


def _refused(text: str, why: str, hint: str, *, secret: bool = False) -> InvalidSource:
    subject = "this address" if secret else _shown(text)
    return InvalidSource(f"{subject} is refused: {why}", operation="fetch", subject="" if secret else text, hint=hint)


def _shown(text: str) -> str:
    return repr(text if len(text) <= 80 else text[:79] + "…")

# SPDX-License-Identifier: Apache-2.0
"""The one way in which git is called: argv only, an environment of its own, nothing of the user's configuration."""

from __future__ import annotations

from homeport.drivers.fetchers.git.options import Options

BLOB_LIMIT = 262_144
"""Bytes. Larger files are not fetched for a look."""

_NOWHERE = "/nonexistent"
_SETTINGS = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.bigFileThreshold=1m",  # larger blobs are streamed by index-pack, not held in memory
    "core.askPass=",
    "credential.helper=",
    "fetch.recurseSubmodules=false",
    "submodule.recurse=false",
    "filter.lfs.smudge=",
    "filter.lfs.process=",
    "filter.lfs.required=false",
    "http.followRedirects=false",
    "http.lowSpeedLimit=1000",
    "http.lowSpeedTime=30",
    "gc.auto=0",
    "maintenance.auto=false",
    "protocol.version=2",
    "transfer.bundleURI=false",
    "transfer.credentialsInUrl=die",
    "advice.detachedHead=false",
)


def argv(*words: str) -> list[str]:
    """A git command line with every door closed that a setting can close."""
    return ["git", "--no-pager", *(part for setting in _SETTINGS for part in ("-c", setting)), *words]


def environment(options: Options, schemes: tuple[str, ...] = ()) -> dict[str, str]:
    """All that git sees, and the transports it may use.

    GIT_ALLOW_PROTOCOL overrules every configuration file, also that of a hostile local repository whose missing
    objects would otherwise be fetched by a command of its choice.
    """
    return {
        **options.env,
        "PATH": options.path,
        "HOME": _NOWHERE,  # no .netrc, no .gitconfig
        "XDG_CONFIG_HOME": _NOWHERE,
        "LC_ALL": "C",
        "GIT_ALLOW_PROTOCOL": ":".join(schemes) or "none",
        "GIT_PROTOCOL_FROM_USER": "0",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "",
        "SSH_ASKPASS": "",
        "GIT_SSH_COMMAND": "false",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_LFS_SKIP_SMUDGE": "1",
    }

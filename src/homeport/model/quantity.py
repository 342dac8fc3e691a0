# SPDX-License-Identifier: Apache-2.0
"""Values as people write them, in a manifest or after a flag. Each raises `ValueError` saying what was expected."""

from __future__ import annotations

import re

from homeport.model.measures import size_bytes, span_seconds
from homeport.model.names import LABEL
from homeport.model.requirements import Ecosystem, GpuNeed, Kind
from homeport.model.workload import Delivery

LEAST_MEMORY = 16 * 2**20
MOST_MEMORY = 2**46
MOST_DISK = 2**53
GPU_VENDORS = ("nvidia", "amd", "intel", "apple", "tpu")
ARCHES = {"x86_64": "x86_64", "amd64": "x86_64", "x64": "x86_64", "aarch64": "aarch64", "arm64": "aarch64"}


def memory_bytes(value: object) -> int:
    """`512Mi`, `1.5G`, `536870912`."""
    size = _size(value)
    if not LEAST_MEMORY <= size <= MOST_MEMORY:
        raise ValueError("expected a size between 16Mi and 64Ti, for example 512Mi")
    return size


def disk_bytes(value: object) -> int:
    """`200G`, `1.5Ti`."""
    size = _size(value)
    if not LEAST_MEMORY <= size <= MOST_DISK:
        raise ValueError("expected a size between 16Mi and 8192Ti, for example 200G")
    return size


def gpu_memory_bytes(value: object) -> int:
    """Of one GPU: `24G`, `80GB`. Such sizes are names: `24G` is what is sold as 24 GB, 24 GiB."""
    text = str(value).strip()
    size = _size(re.sub(r"(?i)(?<=\d)\s?gb?$", "Gi", text, count=1))
    if not 2**28 <= size <= MOST_MEMORY:
        raise ValueError("expected the memory of one GPU, for example 24G")
    return size


def _size(value: object) -> int:
    """Bytes; 0 for what is none: those who ask say what they expected."""
    try:
        return size_bytes(value)
    except ValueError:
        return 0


def cpus(value: object) -> float:
    """`2`, `0.5`, `500m`: processors, 0.01 to 1024."""
    found = re.fullmatch(r"(\d{1,7}(?:\.\d{1,6})?)(m?)", str(value).strip(), re.A)
    number = float(found[1]) / (1000 if found[2] else 1) if found and not isinstance(value, bool) else 0.0
    if not 0.01 <= number <= 1024:
        raise ValueError("expected processors, for example 2, 0.5 or 500m")
    return number


def seconds(value: object) -> float:
    """`30`, `30s`, `500ms`, `1.5m`, `1h`: 0 to a day."""
    try:
        span = span_seconds(value)
    except ValueError:
        span = -1.0
    if not 0 <= span <= 86400:
        raise ValueError("expected a time of at most a day, for example 30s, 500ms or 5m")
    return span


def port(value: object) -> int:
    """1 to 65535."""
    text = str(value) if isinstance(value, (str, int)) and not isinstance(value, bool) else ""
    if not re.fullmatch(r"[0-9]{1,5}", text, re.A) or not 0 < int(text) < 65536:
        raise ValueError("expected a port between 1 and 65535")
    return int(text)


def health_path(value: object) -> str:
    """`/health`: what is asked for with GET."""
    if not isinstance(value, str) or not re.fullmatch(r"/[!-~]{0,200}", value):
        raise ValueError("expected a path that begins with /, for example /health")
    return value


def name(value: object) -> str:
    """A DNS label."""
    if not isinstance(value, str) or not LABEL.fullmatch(value):
        raise ValueError("expected 1 to 63 lower-case letters, digits and inner hyphens")
    return value


def delivery(value: object) -> Delivery:
    known = ", ".join(Delivery)
    if not isinstance(value, str) or value not in set(Delivery):
        raise ValueError(f"expected one of: {known}")
    return Delivery(value)


def honours_keys(value: object) -> bool:
    """`honours-keys`: it does a keyed request once, however often it is sent."""
    if value not in ("honours-keys", "none"):
        raise ValueError("expected honours-keys or none")
    return value == "honours-keys"


def gpu(value: object) -> GpuNeed:
    if isinstance(value, bool):  # YAML reads `no` as false
        return GpuNeed.NEEDED if value else GpuNeed.NO
    if not isinstance(value, str) or value not in set(GpuNeed):
        raise ValueError(f"expected one of: {', '.join(GpuNeed)}")
    return GpuNeed(value)


def gpu_count(value: object) -> int:
    """GPUs of one machine: 1 to 64."""
    text = str(value).strip() if isinstance(value, (str, int)) and not isinstance(value, bool) else ""
    if not re.fullmatch(r"[0-9]{1,2}", text, re.A) or not 1 <= int(text) <= 64:
        raise ValueError("expected a number of GPUs from 1 to 64; none: --gpu no")
    return int(text)


def gpu_vendor(value: object) -> str:
    return _one_of(str(value).strip().casefold(), GPU_VENDORS)


def kind(value: object) -> Kind:
    return Kind(_one_of(str(value).strip().casefold(), tuple(Kind)))


def arch(value: object) -> str:
    """`amd64` and `arm64` are other names of x86_64 and aarch64."""
    return ARCHES[_one_of(str(value).strip().casefold(), tuple(ARCHES))]


def version_number(value: object) -> str:
    """`12.4`, `8.0`, `22.04`: numbers with dots."""
    text = str(value).strip() if isinstance(value, (str, int, float)) and not isinstance(value, bool) else ""
    if not re.fullmatch(r"[0-9]{1,6}(?:\.[0-9]{1,6}){0,3}", text, re.A):
        raise ValueError("expected a version, for example 12.4")
    return text


def named_release(value: object) -> tuple[str, str]:
    """`ubuntu`, `ubuntu 24.04`, `Python 3.12`: a name in small letters, and a release or ""."""
    text = str(value).strip().casefold()
    found = re.fullmatch(r"([a-z][a-z+#-]{0,30}?)(?:[ :@-]?([0-9]{1,6}(?:\.[0-9]{1,6}){0,3}))?", text, re.A)
    if not found:
        raise ValueError("expected a name, with a release if need be: ubuntu 24.04")
    return found[1], found[2] or ""


def packages(value: object) -> tuple[str, ...]:
    """`ffmpeg, libsndfile1`: names of system packages, at most 100."""
    found = tuple(dict.fromkeys(re.split(r"[\s,]+", str(value).strip(" ,\t\n"))))
    if len(found) > 100 or not all(re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.+_:-]{0,99}", one, re.A) for one in found):
        raise ValueError("expected names of packages, separated by commas")
    return found


def _one_of(text: str, known: tuple[str, ...]) -> str:
    if text not in known:
        raise ValueError(f"expected one of: {', '.join(known)}")
    return text


def version(value: object) -> str:
    """`3.12`, `>=3.11`, `20`."""
    text = str(value).strip() if isinstance(value, (str, int, float)) and not isinstance(value, bool) else ""
    if not re.fullmatch(r"[0-9A-Za-z.,<>=!~^*|+ -]{1,60}", text) or not any(char.isdigit() for char in text):
        raise ValueError("expected a version, for example '3.12' (in quotes)")
    return text


def runtime(value: object) -> tuple[Ecosystem, str]:
    """`python`, `python3.12`, `node 20`, `go1.22`; the version is "" where it is not said."""
    found = re.fullmatch(r"([a-z]{1,12})[ :@-]?([0-9.]{0,10})", str(value).strip().lower())
    kinds = {str(one): one for one in Ecosystem if one not in (Ecosystem.IMAGE, Ecosystem.UNKNOWN)}
    kinds |= {"nodejs": Ecosystem.NODE, "docker": Ecosystem.DOCKERFILE, "golang": Ecosystem.GO}
    if not found or found[1] not in kinds:
        raise ValueError("expected python, node, go or the like, with a version if need be: python3.12")
    return kinds[found[1]], found[2].strip(".")


def names(value: object) -> list[str]:
    """Environment variables: a list of names, or a mapping whose keys they are."""
    if not isinstance(value, (list, dict)) or not all(
        isinstance(one, str) and re.fullmatch(r"[A-Za-z_]\w{0,99}", one, re.A) for one in value
    ):
        raise ValueError("expected a list of names of environment variables")
    return list(value)


def files(value: object) -> tuple[str, ...]:
    """One path or a list of them, relative, without `..`."""
    many = [value] if isinstance(value, str) else value
    if many in (None, False):
        return ()
    if not isinstance(many, list) or len(many) > 20:
        raise ValueError("expected a file or a list of files")
    for one in many:
        if not isinstance(one, str) or not re.fullmatch(r"[\w.][\w./+-]{0,200}", one, re.A) or ".." in one.split("/"):
            raise ValueError("expected paths of files in this repository")
    return tuple(many)

# SPDX-License-Identifier: Apache-2.0
"""Every need can be said by hand; what is said shows as the user's, instead of what it replaced."""

from __future__ import annotations

import pytest

from homeport.errors import UsageError
from homeport.model.evidence import Origin
from homeport.model.requirements import GpuNeed, Kind
from homeport.plan import OVERRIDES, apply_overrides
from planning_rig import GIB, PLAIN, needs

SAID = {
    "start": "python x.py", "port": "9", "health": "/up", "gpus": "2", "vram": "24G", "gpu-vendor": "NVIDIA",
    "cuda": "12.4", "compute-capability": "8.0", "cpus": "8", "memory": "1Gi", "shm": "1Gi", "disk": "2T",
    "arch": "arm64", "os": "debian 12", "language": "Python 3.12", "packages": "ffmpeg, git", "kind": "training",
    "version": "3.12", "delivery": "at-least-once", "idempotency": "honours-keys",
}  # fmt: skip


def test_all_that_can_be_said_shows_as_the_users() -> None:
    found = apply_overrides(PLAIN, SAID)
    fields = [field for flag, (field, _) in OVERRIDES.items() if flag in SAID]
    assert {getattr(found, field).origin for field in [*fields, "gpu", "os_version"]} == {Origin.USER}
    assert (found.gpu.value, found.gpu_count.value, found.vram_bytes.value) == (GpuNeed.NEEDED, 2, 24 * GIB)
    assert (found.os_family.value, found.os_version.value, found.arch.value) == ("debian", "12", "aarch64")
    assert (found.language.value, found.language_version.value) == ("python", "3.12")
    assert (found.kind.value, found.system_packages.value) == (Kind.TRAINING, ("ffmpeg", "git"))
    assert found.disk_bytes.value == 2 * 10**12


@pytest.mark.parametrize(
    ("text", "need", "count", "vendor", "gib", "capability"),
    [
        ("optional", "optional", None, None, None, None),
        ("yes", "needed", None, None, None, None),
        ("2", "needed", 2, None, None, None),
        ("amd", "needed", None, "amd", None, None),
        ("24GB", "needed", None, None, 24, None),
        ("T4", "needed", None, "nvidia", 16, "7.5"),
        ("2xA100-40GB", "needed", 2, "nvidia", 40, "8.0"),
        ("A100-80GB:4", "needed", 4, "nvidia", 80, "8.0"),
        ("8 x nvidia", "needed", 8, "nvidia", None, None),
        ("MI100", "needed", None, "amd", 32, None),
    ],
)
def test_a_gpu_may_be_said_as_people_say_it(text, need, count, vendor, gib, capability) -> None:
    found = apply_overrides(PLAIN, {"gpu": text})
    values = [None if one is None else one.value
              for one in (found.gpu_count, found.gpu_vendor, found.vram_bytes, found.compute_capability)]  # fmt: skip
    assert found.gpu.value == need
    assert values == [count, vendor, gib and gib * GIB, capability]


def test_what_is_said_singly_outranks_what_a_model_name_implies() -> None:
    found = apply_overrides(PLAIN, {"vram": "16G", "gpus": "3", "gpu": "2xA100"})
    assert (found.gpu_count.value, found.vram_bytes.value) == (3, 16 * GIB)


def test_without_a_gpu_nothing_is_left_of_what_was_found_about_gpus() -> None:
    found = apply_overrides(needs(gpu="needed", gpu_count=8, vram_bytes=80 * GIB, cuda="12.4"), {"gpu": "no"})
    assert (found.gpu.value, found.gpu_count, found.vram_bytes, found.cuda) == (GpuNeed.NO, None, None, None)
    assert found.gpu.note == "instead of needed (README.md:7)"


def test_another_maker_drops_the_stack_of_the_former() -> None:
    found = apply_overrides(needs(gpu="needed", gpu_vendor="nvidia", cuda="12.4"), {"gpu": "MI100"})
    assert (found.gpu_vendor.value, found.cuda) == ("amd", None)
    back = apply_overrides(needs(gpu="needed", gpu_vendor="amd", rocm="6.0"), {"cuda": "12.1"})
    assert (back.gpu_vendor.value, back.gpu_vendor.origin) == ("nvidia", Origin.USER)


def test_an_optional_gpu_stays_optional_when_its_size_is_said() -> None:
    assert apply_overrides(needs(gpu="optional"), {"vram": "24G"}).gpu.value is GpuNeed.OPTIONAL


@pytest.mark.parametrize(
    ("flag", "text"),
    [("gpu", "65"), ("gpu", "A9999"), ("gpu", "x" * 500), ("gpu", "2x"), ("gpu", "\x1b[2J"), ("gpus", "0"),
     ("gpus", "1.5"), ("vram", "24"), ("vram", "-1G"), ("vram", "9999999T"), ("cuda", "twelve"), ("cuda", "1.2.3.4.5"),
     ("cpus", "0"), ("disk", "1"), ("shm", "lots"), ("arch", "sparc"), ("os", "../etc"), ("os", "a b c"),
     ("packages", "a;b"), ("packages", ""), ("packages", ","), ("kind", "fun"), ("gpu-vendor", "acme"),
     ("language", "$(x)"), ("compute-capability", "8.0+PTX")],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_with_its_flag(flag: str, text: str) -> None:
    if text == "":
        assert apply_overrides(PLAIN, {flag: text}) == PLAIN
        return
    with pytest.raises(UsageError) as bad:
        apply_overrides(PLAIN, {flag: text})
    assert f"--{flag} " in bad.value.message and bad.value.message.isprintable()


def test_contradictions_are_refused() -> None:
    with pytest.raises(UsageError, match="--gpu no and --vram contradict"):
        apply_overrides(PLAIN, {"gpu": "no", "vram": "24G"})

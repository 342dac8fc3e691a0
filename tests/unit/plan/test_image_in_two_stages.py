# SPDX-License-Identifier: Apache-2.0
"""The system of a machine: 3 to 5 that could do, then one by its details, each other with its reason."""

from __future__ import annotations

from dataclasses import replace

import pytest

from homeport.model.advice import Pick
from homeport.model.evidence import Inferred, Origin
from homeport.model.limits import Limits
from homeport.model.systemimage import ImageChoice, SystemImage
from homeport.plan.images import choose_image, image_candidates
from planning_rig import chameleon, guessed, local, needs, planned, with_gpus


def image(name: str, family: str = "ubuntu", version: str = "24.04", **fields: str) -> SystemImage:
    return SystemImage("chameleon", name, family, version, **{"user": "cc", **fields})


PLAIN = [image("U26", version="26.04"), image("U24"), image("U22", version="22.04"), image("D12", "debian", "12"),
         image("C9", "centos", "9"), image("F40", "fedora", "40"), image("U24-ARM", arch="aarch64")]  # fmt: skip
CUDA = [
    image("U24-CUDA", cuda="12.6"),
    image("U22-CUDA", version="22.04", cuda="12.2"),
    image("U20", version="20.04", cuda="11.8"),
]
ROCM = [image("U24-ROCm", rocm="6.3")]
ALL = [*PLAIN, *CUDA, *ROCM]
NODE, GPU = chameleon("n"), with_gpus(chameleon("g"), 1, 24)


def chosen(offer=NODE, images=ALL, picks=(), **wanted) -> ImageChoice:
    choice, _ = choose_image(needs(**wanted), offer, images, picks)
    assert choice is not None
    assert 1 <= len(choice.candidates) <= 5
    assert [bool(one.lost) for one in choice.candidates] == [False] + [True] * (len(choice.candidates) - 1)
    return choice


def lost(choice: ImageChoice) -> dict[str, str]:
    return {one.image.name: one.lost for one in choice.candidates[1:]}


def test_without_a_wish_it_is_the_newest_usual_system_without_ballast() -> None:
    choice = chosen()
    assert choice.image.name == "U26"
    assert lost(choice) == {"U24": "U26 is a newer release.", "U22": "U26 is a newer release."}


def test_the_family_and_release_asked_for_win() -> None:
    assert chosen(os_family="debian").image.name == "D12"
    choice = chosen(os_family="ubuntu", os_version="22.04")
    assert choice.image.name == "U22" and "ubuntu is asked for" in choice.why
    assert lost(choice)["U26"] == "Its release is 26.04, not 22.04."
    assert "likely" in chosen(os_family=guessed("debian")).why


def test_work_for_a_gpu_gets_the_stack_of_its_maker_and_new_enough() -> None:
    choice = chosen(GPU, gpu="needed")
    assert choice.image.name == "U24-CUDA" and "it has CUDA 12.6" in choice.why
    assert chosen(GPU, gpu="needed", cuda="12.1", os_family="ubuntu", os_version="22.04").image.name == "U22-CUDA"
    assert chosen(with_gpus(NODE, 1, 32, "", "amd"), gpu="needed", rocm="6.0").image.name == "U24-ROCm"
    old = chosen(GPU, gpu="needed", cuda="12.1", images=[*CUDA])
    assert lost(old)["U20"] == "Its CUDA 11.8 is too old."


def test_a_cuda_that_dropped_the_gpu_is_not_taken() -> None:
    k80 = with_gpus(NODE, 2, 12, "3.7")
    choice = chosen(k80, gpu="needed", cuda="11.2")
    assert choice.image.name == "U20"
    assert lost(choice)["U24-CUDA"] == "Its CUDA 12.6 has dropped GPUs as old as these."


def test_architecture_and_region_must_be_right() -> None:
    assert chosen(replace(NODE, arch="aarch64")).image.name == "U24-ARM"
    there = [replace(one, region="tacc") for one in PLAIN]
    assert choose_image(needs(), NODE, there) == (None, ("no image is known for n on chameleon",))


def test_what_no_image_has_is_said() -> None:
    _, warnings = choose_image(needs(gpu="needed", os_family="nixos"), GPU, PLAIN)
    assert warnings == (
        "no image of chameleon is known to have CUDA: the driver has to be installed in U26",
        "nixos is asked for, and chameleon has no such image for this machine: U26 is taken",
    )
    _, warnings = choose_image(needs(gpu="needed", cuda="13.0"), GPU, CUDA)
    assert warnings == ("CUDA 13.0 is needed, and the newest image has less: U24-CUDA",)
    _, warnings = choose_image(needs(os_family="ubuntu", os_version="18.04"), NODE, PLAIN)
    assert warnings == ("ubuntu 18.04 is asked for, and U26 is the nearest that is there",)


def test_this_machine_and_a_cluster_have_their_system() -> None:
    assert choose_image(needs(), local(), ALL) == (None, ())
    assert image_candidates(needs(), replace(local(), cloud="kubernetes"), ALL) == ()


def test_an_image_whose_user_is_not_known_comes_after_one_whose_is() -> None:
    choice = chosen(images=[image("A", user=""), image("B")])
    assert choice.image.name == "B" and lost(choice) == {"A": "Who logs in to it is not known."}


def test_a_model_chooses_among_what_will_start_and_has_the_gpu_stack() -> None:
    picks = [Pick(by="llm", images=("D12", "U22", "nonsense"), image="D12")]
    choice = chosen(picks=picks)
    assert choice.image.name == "D12" and choice.why.startswith("chosen by llm")
    assert lost(choice)["U26"] == "It is first by its details, but llm chose D12."
    for bad in (Pick(by="llm", images=("U24-ARM",)), Pick(by="llm", image="U24-ARM"), Pick(by="llm", image="\x1b[2J")):
        choice, warnings = choose_image(needs(), NODE, ALL, [bad])
        assert choice is not None and choice.image.name == "U26" and "llm" in warnings[0]
        assert warnings[0].isprintable()
    assert chosen(GPU, gpu="needed", picks=picks).image.name == "U24-CUDA"
    assert chosen(os_family="ubuntu", picks=picks).image.name == "U26"
    assert chosen(os_family="ubuntu", os_version="24.04", picks=picks).image.name == "U24"


@pytest.mark.parametrize("version", ["", "rolling", "9999999999999", "1.2.x"])
def test_odd_releases_are_no_trouble(version: str) -> None:
    assert chosen(images=[image("odd", version=version)]).image.name == "odd"


def test_the_plan_logs_in_as_the_images_own_user() -> None:
    plan = planned([NODE], images=ALL, limits=Limits(targets=("chameleon",)))
    assert plan.image is not None and "log in as cc" in plan.steps
    assert plan.image.candidates[0].image == plan.image.image


def test_os_by_hand_reads_name_and_release() -> None:
    plan = planned([NODE], images=ALL, overrides={"os": "Ubuntu 22.04"})
    assert plan.image is not None and plan.image.image.name == "U22"
    assert plan.requirements.os_version == Inferred(
        "22.04", Origin.USER, plan.requirements.os_version.evidence if plan.requirements.os_version else ()
    )

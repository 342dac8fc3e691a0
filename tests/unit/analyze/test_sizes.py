# SPDX-License-Identifier: Apache-2.0
"""Estimates of models: parameters by name, memory by what is done with them, always marked as estimates."""

from __future__ import annotations

import pytest

from homeport.analyze import analyze
from homeport.analyze.sizes import Work, bits_in, disk_for, memory_for, read_model, vram_for
from homeport.model.requirements import HINT
from homeport.testing.fetchers import DictView

GIB = 1 << 30


@pytest.mark.parametrize(
    ("name", "billions"),
    [
        ("meta-llama/Llama-2-70b-hf", 70), ("Qwen/Qwen2.5-0.5B-Instruct", 0.5), ("mistralai/Mixtral-8x7B-v0.1", 46.7),
        ("mistralai/Mistral-7B-v0.1", 7), ("stabilityai/stable-diffusion-xl-base-1.0", 3.5),
        ("openai/whisper-large-v3", 1.55),
        ("gpt2-xl", 1.5), ("gpt2", 0.124), ("facebook/opt-125m", 0.125), ("Qwen/Qwen3-30B-A3B", 30),
        ("bert-base-uncased", 0.11), ("TheBloke/Llama-2-13B-GPTQ", 13),
    ],
)  # fmt: skip
def test_a_name_tells_the_number_of_parameters(name, billions):
    assert read_model(name).billions == pytest.approx(billions)


@pytest.mark.parametrize("name", ["my-model", "v1.5", "data/2024", "", "9999999999b", "model-final.pt"])
def test_other_names_tell_nothing(name):
    assert read_model(name) is None


@pytest.mark.parametrize(
    ("text", "bits"),
    [("Q4_K_M", 4), ("load_in_4bit", 4), ("AWQ", 4), ("int8", 8), ("bf16", 16), ("float32", 32), ("x", 0)],
)
def test_words_for_formats_are_bits(text, bits):
    assert bits_in(text) == bits


@pytest.mark.parametrize(
    ("billions", "bits", "work", "least", "most"),
    [
        (7, 16, Work.INFERENCE, 14, 24), (7, 4, Work.INFERENCE, 4.5, 10), (70, 16, Work.INFERENCE, 140, 200),
        (7, 16, Work.TRAINING, 112, 160), (7, 16, Work.LORA, 16, 40), (7, 4, Work.LORA, 6, 24),
        (65, 4, Work.LORA, 40, 80),
        (0.124, 16, Work.TRAINING, 2, 6),
    ],
)  # fmt: skip
def test_gpu_memory_is_what_people_find_it_to_be(billions, bits, work, least, most):
    assert least * GIB <= vram_for(billions, bits=bits, work=work) <= most * GIB


def test_more_parameters_bits_and_context_never_take_less():
    sizes = (0.1, 1, 7, 70, 700)
    for of in (vram_for, memory_for, disk_for):
        assert sorted(of(size) for size in sizes) == [of(size) for size in sizes]
        assert of(7, bits=4) <= of(7, bits=8) <= of(7, bits=16)
    assert vram_for(7, tokens=1000) < vram_for(7, tokens=100_000)


def test_a_model_that_is_loaded_by_name_gives_estimates_marked_as_such():
    code = 'model = AutoModel.from_pretrained(\n    "x")\nm = AutoModel.from_pretrained("acme/big-13b").cuda()\n'
    found = analyze(DictView({"serve.py": code, "requirements.txt": "transformers\nvllm\n"}))
    assert 26 * GIB < found.vram_bytes.value < 48 * GIB
    assert found.vram_bytes.evidence[0].confidence < HINT
    assert "13 billion parameters" in found.vram_bytes.evidence[0].quote and found.vram_bytes.evidence[0].line == 3


def test_what_is_written_down_goes_before_an_estimate():
    code = 'AutoModel.from_pretrained("acme/big-13b").cuda()\n'
    found = analyze(DictView({"serve.py": code, "README.md": "# X\nRequires a GPU with at least 16 GB VRAM."}))
    assert found.vram_bytes.value == 16 * GIB


def test_large_files_kept_elsewhere_count_for_disk():
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "a" * 64 + "\nsize 5368709120\n"
    found = analyze(DictView({".gitattributes": "*.bin filter=lfs\n", "model.bin": pointer}))
    assert found.disk_bytes.value == 10 * GIB and found.disk_bytes.evidence[0].file == "model.bin"

# SPDX-License-Identifier: Apache-2.0
"""python bench/score_analysis.py DIR [--baseline] [--labels FILE ...] [--unseen] [--details]

DIR holds bare mirrors, DIR/OWNER+NAME/repo. Prints one prediction line each to stdout, by the commit its HEAD names.
With labels only those repositories are read, and what came out is counted on stderr; labels kept unseen are dropped
unless asked for. `--baseline` predicts by what a README's words say, for comparison: a GPU where it names one.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from homeport.analyze import analyze
from homeport.drivers.fetchers.git.objects import Objects
from homeport.drivers.fetchers.git.tree import Tree, read_sizes, read_tree
from homeport.drivers.fetchers.git.view import GitView
from homeport.model.evidence import Inferred
from homeport.model.requirements import GpuNeed, Requirements
from homeport.model.source import Source, SourceKind

GIB = 1024**3
SURE = 0.5
"""Claims below are hints and estimates: shown to people, not asserted."""
_README = re.compile(r"(?i)readme(?:\.\w{1,8})?")
_WORDS = re.compile(r"(?i)GPU|CUDA|VRAM")
_NEED = {GpuNeed.NEEDED: "true", GpuNeed.OPTIONAL: "optional", GpuNeed.NO: "false"}
_ATMOST = {"min_vram_gb": 3, "gpu_count": 1, "min_ram_gb": 4, "cpu_cores": 4, "disk_gb": 3}


def look(mirror: Path) -> GitView:
    """The commit HEAD names; files whose contents the mirror lacks are there with no size."""
    commit = _git(mirror, "rev-parse", "HEAD").decode().strip()
    sizes = read_sizes(_git(mirror, "cat-file", "--batch-check", "--batch-all-objects", "--unordered"))
    listing = _git(mirror, "ls-tree", "-r", "-z", "--full-tree", commit)
    tree: Tree = read_tree(listing, sizes, subdir="", max_files=1_000_000)
    source = Source(SourceKind.GIT, mirror.parent.name, tree.digest, commit)
    return GitView(source, tree, Objects(str(mirror), dict(os.environ)), tree.skipped)


def predict(name: str, found: Requirements) -> dict[str, Any]:
    """What is asserted of one repository, in the keys of the labels."""
    return {
        "repo": name,
        "needs_gpu": _NEED[found.gpu.value],
        "min_vram_gb": _gigabytes(found.vram_bytes),
        "gpu_count": _asserted(found.gpu_count),
        "min_ram_gb": _gigabytes(found.memory_bytes),
        "cpu_cores": _asserted(found.cpus),
        "disk_gb": _gigabytes(found.disk_bytes),
        "os_family": _asserted(found.os_family),
        "cuda": _asserted(found.cuda),
        "port": _asserted(found.published_port) or _asserted(found.port),
        "start_command": " ".join(found.start.value) if found.start else None,
        "kind": _asserted(found.kind),
        "vendor": _asserted(found.gpu_vendor),
        "language": _asserted(found.language),
    }


def baseline(name: str, view: GitView) -> dict[str, Any]:
    """A GPU where any README names one."""
    readmes = [entry.path for entry in view.entries() if _README.fullmatch(entry.path)]
    says = any(_WORDS.search(data.decode(errors="replace")) for data in view.read_many(readmes).values())
    return {"repo": name, "needs_gpu": "true" if says else "false"}


def labels_in(files: Iterable[Path], *, unseen: bool) -> dict[str, dict[str, Any]]:
    """Labels by repository. Those kept unseen are dropped here, so that nothing else can show them."""
    lines = [json.loads(line) for file in files for line in file.read_text().splitlines() if line.strip()]
    return {one["repo"]: one for one in lines if unseen or not one.get("unseen")}


def tally(labels: Mapping[str, Mapping[str, Any]], predictions: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The counts the labels allow, and how many of the values asserted have no evidence by the labels."""
    pairs = [(labels[name], predictions[name]) for name in labels if name in predictions]
    counts: Counter[str] = Counter()
    for label, told in pairs:
        counts["strict"] += told["needs_gpu"] == label["needs_gpu"]
        counts["accept"] += told["needs_gpu"] in label["needs_gpu_accept"]
        if label["needs_gpu"] != "optional":
            counts["two"] += 1
            counts["binary"] += (told["needs_gpu"] == "true") == (label["needs_gpu"] == "true")
    numbers = {key: _number(key, pairs) for key in _ATMOST}
    numbers |= {"cuda": _exact("cuda", pairs), "port": _exact("port", pairs)}
    false, all_ = sum(one["false"] for one in numbers.values()), sum(one["asserted"] for one in numbers.values())
    unsaid = sum(one["unsaid"] for one in numbers.values())
    size = len(pairs) or 1
    return {
        "repositories": len(pairs),
        "accept": round(counts["accept"] / size, 3),
        "binary": round(counts["binary"] / (counts["two"] or 1), 3),
        "strict": round(counts["strict"] / size, 3),
        "numbers": numbers,
        "false of asserted": f"{false}/{all_}",
        "false of unsaid": f"{false}/{unsaid} = {false / (unsaid or 1):.1%}",
    }


def disagreements(label: Mapping[str, Any], told: Mapping[str, Any]) -> Iterator[str]:
    """What one prediction gets wrong, one line each."""
    if told["needs_gpu"] != label["needs_gpu"]:
        weight = "" if told["needs_gpu"] in label["needs_gpu_accept"] else "WRONG "
        yield f"{weight}needs_gpu {told['needs_gpu']}, labelled {label['needs_gpu']}"
    for key in (*_ATMOST, "cuda", "port", "os_family", "kind"):
        said, right = told.get(key), label.get(key)
        if said != right and not (key == "os_family" and right == "linux"):
            yield f"{key} {said}, labelled {right}"


def _number(key: str, pairs: list[tuple[Mapping[str, Any], Mapping[str, Any]]]) -> dict[str, int]:
    counts = Counter(labelled=0, right=0, small=0, unanswered=0, asserted=0, false=0, unsaid=0)
    for label, told in pairs:
        right, said = label[key], told.get(key)
        counts["asserted"] += said is not None
        if right is None:
            counts["unsaid"] += 1
            counts["false"] += said is not None
            continue
        counts["labelled"] += 1
        counts["unanswered"] += said is None
        counts["small"] += said is not None and said < right - 1e-9
        counts["right"] += said is not None and right - 1e-9 <= said <= right * _ATMOST[key] + 1e-9
    return dict(counts)


def _exact(key: str, pairs: list[tuple[Mapping[str, Any], Mapping[str, Any]]]) -> dict[str, int]:
    counts = Counter(labelled=0, right=0, unanswered=0, asserted=0, false=0, unsaid=0)
    for label, told in pairs:
        right, said = (str(one.get(key) or "").partition(".")[0] for one in (label, told))
        counts["asserted"] += bool(said)
        counts["unsaid" if not right else "labelled"] += 1
        counts["false"] += bool(said) and not right
        counts["unanswered"] += bool(right) and not said
        counts["right"] += bool(right) and said == right
    return dict(counts)


def _asserted(found: Inferred[Any] | None) -> Any:
    """The value if somebody says so; None for defaults, hints and estimates."""
    sure = found is not None and found.evidence and found.evidence[0].confidence >= SURE
    return found.value if found is not None and sure else None


def _gigabytes(found: Inferred[int] | None) -> float | None:
    value = _asserted(found)
    return None if value is None else round(value / GIB, 3)


def _git(mirror: Path, *words: str) -> bytes:
    return subprocess.run(["git", f"--git-dir={mirror}", *words], check=True, capture_output=True).stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--baseline", action="store_true")
    parser.add_argument("--labels", type=Path, nargs="*", default=[])
    parser.add_argument("--unseen", action="store_true", help="count the labels kept unseen as well")
    parser.add_argument("--details", action="store_true", help="say on stderr what is wrong, and the seconds of CPU")
    given = parser.parse_args()
    labels = labels_in(given.labels, unseen=given.unseen)
    predictions: dict[str, dict[str, Any]] = {}
    for mirror in sorted(given.folder.glob("*/repo")):
        name = mirror.parent.name.replace("+", "/", 1)
        if given.labels and name not in labels:
            continue
        view = look(mirror)
        began = time.process_time()
        told = baseline(name, view) if given.baseline else predict(name, analyze(view))
        spent = time.process_time() - began
        view.close()
        predictions[name] = told
        print(json.dumps(told), flush=True)
        if given.details and name in labels:
            print(f"{name} ({spent:.2f} s, {len(view.entries())} files)", file=sys.stderr)
            for line in disagreements(labels[name], told):
                print(f"    {line}", file=sys.stderr)
    if given.labels:
        print(json.dumps(tally(labels, predictions), indent=1), file=sys.stderr)
        if missing := sorted(set(labels) - set(predictions)):
            print(f"not there: {', '.join(missing)}", file=sys.stderr)


if __name__ == "__main__":
    main()

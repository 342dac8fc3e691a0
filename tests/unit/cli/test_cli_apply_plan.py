# SPDX-License-Identifier: Apache-2.0
"""`homeport apply`: exactly the plan that was kept, or nothing, with what moved."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from door_rig import Doors, Run, a_plan
from fetching import git
from homeport.cli.realizing import realize
from homeport.cli.session import Session
from homeport.errors import UsageError
from homeport.model.codec import pack


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A repository with one commit."""
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "app.py").write_text("print('never run by these tests')\n")
    (folder / "homeport.yaml").write_text("start: python app.py\nport: 8000\nhealth: /health\n")
    git(folder, "init", "-q", "-b", "main")
    commit(folder)
    return folder


def commit(folder: Path) -> str:
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "a state")
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture
def kept(run: Run, source: Path, tmp_path: Path) -> Path:
    file = tmp_path / "plan.json"
    code, _, err = run("plan", str(source), "-o", str(file), "--target", "local", "--memory", "256Mi")
    assert code == 0, err
    return file


def test_a_kept_plan_is_made_real_as_it_is(doors: Doors, run: Run, kept: Path) -> None:
    code, out, err = run("apply", str(kept), "-e", "MODE=fast")
    assert code == 0, err
    assert out.startswith("notes is running") and "✔ ready" in err and "this machine" in err
    [deployment] = doors.control.deployments.values()
    assert deployment.plan == json.loads(kept.read_text())["data"]["id"]
    assert doors.control.environments["notes"] == {"MODE": "fast"}


def test_deploy_plan_is_the_same_by_its_older_name_and_both_read_stdin(doors: Doors, run: Run, kept: Path) -> None:
    code, out, err = run("deploy", "--plan", str(kept))
    assert code == 0 and out.startswith("notes is running"), err
    code, out, _ = run("apply", "-", "--json", stdin=kept.read_text())
    done = json.loads(out)
    assert code == 0 and done["deployment"]["state"] == "succeeded" and done["agent"]["name"] == "notes"
    assert done["try"].startswith("curl ") and "/agent/notes/health" in done["try"]


def test_detached_it_returns_at_once_with_the_id(doors: Doors, run: Run, kept: Path) -> None:
    assert run("apply", str(kept), "--detach")[1].strip() in doors.control.deployments


def test_a_dry_run_says_that_it_holds_and_does_nothing(doors: Doors, run: Run, kept: Path) -> None:
    code, out, _ = run("apply", str(kept), "--dry-run")
    assert code == 0 and out.startswith("the plan for notes holds: pln_")
    assert not doors.control.deployments


def test_a_plan_whose_commit_moved_is_refused_with_both_commits(
    doors: Doors, run: Run, kept: Path, source: Path
) -> None:
    before = git(source, "rev-parse", "HEAD")
    (source / "app.py").write_text("print('another')\n")
    after = commit(source)
    for argv in (["apply", str(kept), "--yes"], ["apply", str(kept), "--dry-run"], ["deploy", "--plan", str(kept)]):
        code, out, err = run(*argv)
        assert (code, out) == (6, ""), err
        assert f"commit {before[:12]} → {after[:12]}" in err and "hint: look at a new one" in err
    assert not doors.control.deployments


def test_what_is_not_committed_moves_nothing(doors: Doors, run: Run, kept: Path, source: Path) -> None:
    (source / "app.py").write_text("print('on the way')\n")
    assert run("apply", str(kept), "--dry-run")[0] == 0


def test_a_plan_of_a_tag_holds_while_its_branch_moves(run: Run, source: Path, tmp_path: Path) -> None:
    git(source, "tag", "v1")
    file = str(tmp_path / "tagged.json")
    assert run("plan", str(source), "--ref", "v1", "-o", file, "--target", "local")[0] == 0
    (source / "more.txt").write_text("more\n")
    commit(source)
    assert run("apply", file, "--dry-run")[0] == 0
    git(source, "tag", "-f", "v1")
    assert run("apply", file, "--dry-run")[0] == 6


def test_a_plain_folder_is_held_to_its_files(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "plain"
    folder.mkdir()
    (folder / "homeport.yaml").write_text("start: python app.py\n")
    (folder / "app.py").write_text("print()\n")
    file = str(tmp_path / "plain.json")
    assert run("plan", str(folder), "-o", file, "--target", "local")[0] == 0
    assert run("apply", file, "--dry-run")[0] == 0
    (folder / "app.py").write_text("print('x')\n")
    code, _, err = run("apply", file, "--dry-run")
    assert code == 6 and "its files are not what they were" in err


def test_a_plan_that_was_changed_by_hand_is_refused(doors: Doors, run: Run, kept: Path) -> None:
    text = kept.read_text()
    kept.write_text(text.replace('"total":{"micros":0', '"total":{"micros":1'))
    assert kept.read_text() != text
    code, out, err = run("apply", str(kept))
    assert (code, out) == (2, "") and "somebody changed it" in err and "plan.json" in err
    assert not doors.control.deployments


def test_a_plan_that_a_tool_laid_out_anew_is_still_that_plan(run: Run, source: Path, kept: Path) -> None:
    content = json.loads(kept.read_text())
    kept.write_text(json.dumps(content, indent=3, sort_keys=True))
    assert run("apply", str(kept), "--dry-run")[0] == 0
    bare = json.loads(run("plan", str(source), "--json", "--target", "local")[1])
    kept.write_text(json.dumps(bare))
    assert run("apply", str(kept), "--dry-run")[0] == 0, "what plan --json prints is a plan too"


def test_a_plan_that_an_older_homeport_kept_is_still_that_plan(run: Run, kept: Path) -> None:
    """The first version of the record had fewer fields, and its id is the digest of those."""
    data: dict[str, Any] = json.loads(kept.read_text())["data"]
    for added in ("hours_why", "image", "quotes", "cheaper", "network", "key", "chosen_by", "advised"):
        del data[added]
    for place in (data["chosen"], *(one["offer"] for one in data["candidates"])):
        for added in ("gpu_vendor", "gpu_model", "compute_capability", "monthly", "priced", "longest_hours", "as_of"):
            del place[added]
    data["id"] = ""
    made, data["made_at_us"] = data["made_at_us"], 0
    digest = hashlib.sha256(json.dumps(data, separators=(",", ":"), ensure_ascii=False).encode()).hexdigest()
    old: dict[str, Any] = {"kind": "plan", "v": 1, "data": {**data, "id": f"pln_{digest[:40]}", "made_at_us": made}}
    kept.write_text(json.dumps(old))
    code, _, err = run("apply", str(kept), "--dry-run")
    assert code == 0, err
    old["data"]["name"] = "other"
    kept.write_text(json.dumps(old))
    assert run("apply", str(kept), "--dry-run")[0] == 2


@pytest.mark.parametrize(
    "content",
    [
        *("", "{}", "[1]", "nope", "null", "NaN", '"x"', '{"kind":"plan"}', '{"kind":"plan","v":"2","data":{}}'),
        *('{"kind":"plan","v":99,"data":{}}', '{"kind":"x"}', '{"kind":["plan"],"v":1,"data":{}}', "[" * 100_000),
        *('{"kind":"plan","v":-1,"data":{}}', '{"kind":"plan","v":2,"data":[1]}', "9" * 5000, '{"id":"\ud800"}'),
    ],
    ids=range(17),
)
@pytest.mark.parametrize("verb", [["apply"], ["deploy", "--plan"]], ids=["apply", "deploy"])
def test_a_file_that_is_no_plan_is_a_usage_error(run: Run, tmp_path: Path, content: str, verb: list[str]) -> None:
    file = tmp_path / "plan.json"
    file.write_text(content, errors="surrogatepass")
    code, out, err = run(*verb, str(file))
    assert (code, out) == (2, "") and "plan.json" in err and "fault in Homeport" not in err


def test_a_file_that_is_not_there_or_has_no_end_is_a_usage_error(run: Run, tmp_path: Path) -> None:
    for file in (tmp_path / "nothing", tmp_path, Path("/dev/zero")):
        code, out, err = run("apply", str(file))
        assert (code, out) == (2, "") and str(file) in err


def test_a_target_that_cannot_be_provisioned_is_refused_before_anything_is_read(
    doors: Doors, run: Run, tmp_path: Path
) -> None:
    plan = signed(a_plan(), chosen={**OFFER, "cloud": "linode", "region": "us-ord"})
    file = tmp_path / "plan.json"
    file.write_text(json.dumps(plan))
    code, out, err = run("apply", str(file), "--yes")
    assert (code, out) == (2, "")
    assert "machines of linode can be planned" in err and "hint: plan for this machine with --target local" in err
    assert "reading" not in err and not doors.control.deployments


def test_a_source_that_is_gone_is_said(run: Run, kept: Path, source: Path) -> None:
    source.rename(source.with_name("elsewhere"))
    code, _, err = run("apply", str(kept))
    assert code == 2 and "not a Git repository" in err


def test_money_is_not_spent_unasked(doors: Doors, run: Run) -> None:
    session = Session()
    session.settings = doors.settings
    wish: dict[str, Any] = {"replace": False, "detach": True, "env": {}, "secrets": ()}
    with pytest.raises(UsageError, match=r"\$1\.50 an hour.*no terminal"):
        realize(session, a_plan(price=1_500_000), yes=False, **wish)
    assert not doors.control.deployments
    realize(session, a_plan(price=1_500_000), yes=True, **wish)
    assert doors.control.deployments


OFFER = json.loads(pack(a_plan()))["data"]["chosen"]


def signed(plan: Any, **changes: Any) -> dict[str, Any]:
    """A plan with these changes, and the id that it would have."""
    data = {**json.loads(pack(plan))["data"], **changes, "id": "", "made_at_us": 0}
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=False)
    return {**data, "id": f"pln_{hashlib.sha256(text.encode()).hexdigest()[:40]}"}

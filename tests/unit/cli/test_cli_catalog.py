# SPDX-License-Identifier: Apache-2.0
"""`homeport catalog` as people type it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from door_rig import Run
from homeport.testing.servers.facts import FactServer, Status, linode, linode_region, linode_type


@pytest.fixture(autouse=True)
def no_endpoints(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOMEPORT_LINODE_API", "HOMEPORT_CHAMELEON_API", "HOMEPORT_KUBERNETES_PRICES"):
        monkeypatch.delenv(name, raising=False)


def test_list_shows_every_target_with_its_day_within_80_columns(run: Run) -> None:
    code, out, _ = run("catalog", "list")
    assert code == 0
    assert "local, now" in out
    assert "chameleon, as of 2026-" in out
    assert "linode, as of 2026-" in out
    assert "not priced" in out
    assert max(len(line) for line in out.splitlines()) <= 80
    assert "$0.0075" in out  # not rounded to a cent


def test_list_of_one_target_as_json_is_every_offer_whole(run: Run) -> None:
    code, out, err = run("catalog", "list", "--target", "linode", "--json")
    offers = json.loads(out)
    assert (code, len(offers)) == (0, 37)
    nanode = next(offer for offer in offers if offer["machine_type"] == "g6-nanode-1")
    assert nanode["hourly"] == {"micros": 7500, "currency": "USD"}
    assert nanode["as_of"]
    assert "note:" not in out
    assert err == "" or "note:" in err


def test_a_target_that_is_none_is_refused_with_those_there_are(run: Run) -> None:
    code, _, err = run("catalog", "list", "--target", "mars")
    assert code == 2
    assert "mars" in err
    assert "chameleon" in err


def test_show_tells_all_about_a_type_in_every_place(run: Run) -> None:
    code, out, _ = run("catalog", "show", "compute_skylake")
    assert code == 0
    assert [line.split()[1] for line in out.splitlines() if line.startswith("region")] == ["nu", "tacc", "uc"]
    assert "1 SU an hour" in out
    assert "at most 168 h" in out
    assert "CC-Ubuntu24.04" in out
    assert "ARM64" not in out
    assert "sites may charge special hardware more" in out


def test_show_of_a_type_that_nobody_offers_names_those_like_it(run: Run) -> None:
    code, _, err = run("catalog", "show", "gpu_rtx")
    assert code == 2
    assert "gpu_rtx_6000" in err


def test_show_as_json_has_offers_and_images(run: Run) -> None:
    code, out, _ = run("catalog", "show", "gpu_h100", "--json")
    shown = json.loads(out)
    assert code == 0
    assert [offer["gpu_model"] for offer in shown["offers"]] == ["H100"]
    assert any(image["cuda"] for image in shown["images"])
    assert "service unit" in shown["origins"]["chameleon"]


def test_refresh_shows_what_changed_and_the_list_is_the_new_one(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = linode_type("g9-gpu", hourly=0.52, gpus=1, label="RTX4000 Ada x1 Small")
    answers = linode([linode_type("g6-nanode-1", hourly=0.01), gpu], [linode_region("us-ord", "GPU Linodes")])
    with FactServer(answers) as server:
        monkeypatch.setenv("HOMEPORT_LINODE_API", server.base)
        code, out, _ = run("catalog", "refresh", "--target", "linode")
        assert code == 0
        assert "linode: 2 offers of" in out
        assert "+ us-ord/g9-gpu  $0.52" in out
        assert "~ g6-nanode-1  $0.0075 -> $0.01" in out
        assert "and 16 more" in out
        code, out, _ = run("catalog", "refresh", "--target", "linode", "--json")
        (told,) = json.loads(out)
        assert (told["cloud"], told["added"], told["removed"], told["moved"], told["error"]) == (
            "linode", [], [], [], None,
        )  # fmt: skip
    _, out, _ = run("catalog", "list", "--target", "linode")
    assert "RTX 4000 Ada 20 GiB" in out


def test_refresh_that_fails_says_so_and_leaves_everything(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with FactServer({"/linode/types": lambda _: Status(503)}) as server:
        monkeypatch.setenv("HOMEPORT_LINODE_API", server.base)
        code, out, err = run("catalog", "refresh", "--target", "linode")
        assert code == 1
        assert "stay" in out
        assert "answers 503" in err
        code, out, _ = run("catalog", "refresh", "--target", "linode", "--json")
        assert code == 1
        assert json.loads(out)[0]["error"]["retry"] is True
    assert "g6-nanode-1" in run("catalog", "list", "--target", "linode")[1]


def test_a_price_table_with_a_mistake_is_told_with_its_line(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tmp_path / "prices.yaml"
    table.write_text("nodes:\n  - name: small\n    cpus: four\n    memory: 8Gi\n    hourly: 1\n")
    monkeypatch.setenv("HOMEPORT_KUBERNETES_PRICES", str(table))
    code, _, err = run("catalog", "list")
    assert code == 2
    assert "prices.yaml:3: nodes[0].cpus: expected processors" in err

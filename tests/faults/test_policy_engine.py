# SPDX-License-Identifier: Apache-2.0
"""The policy engine is killed, runs away, or cannot start: the answer is no, and soon after all is well."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from homeport.drivers.policies.rego import Options, RegoPolicy
from homeport.errors import HomeportError

PACKAGE = "homeport.trial"
RUNAWAY = """
package homeport.trial

import rego.v1

default allow := false

allow if input.plain

allow if {
    input.slow
    some a in numbers.range(1, 100000)
    some b in numbers.range(1, 100000)
    a + b == -1
}

allow if {
    input.fat
    count([x | some a in numbers.range(1, 30000); x := numbers.range(a, a + 30000)]) > 0
}

allow := input.answer if input.answer
"""


async def plain(policy):
    return await policy.decide(PACKAGE, {"plain": True})


@pytest.fixture
def trial(tmp_path):
    file = tmp_path / "trial.rego"
    file.write_text(RUNAWAY)
    return file


@pytest.fixture
async def policy(trial):
    policy = RegoPolicy(Options(policies=(trial,), deadline=3))
    yield policy
    await policy.close()


def gone(pid):
    return not Path(f"/proc/{pid}").exists()


async def test_a_policy_that_runs_away_is_denied_and_those_behind_it_are_decided(policy):
    assert (await plain(policy)).allow
    runaway = policy.worker_pid
    slow, *rest = await asyncio.gather(policy.decide(PACKAGE, {"slow": True}), *(plain(policy) for _ in range(5)))
    assert not slow.allow and slow.failed and "3 s" in slow.reason
    assert all(decision.allow for decision in rest)
    assert gone(runaway)


async def test_a_policy_that_eats_memory_ends_its_own_process_only(policy):
    fat = await policy.decide(PACKAGE, {"fat": True})
    assert not fat.allow and fat.failed
    assert (await plain(policy)).allow


async def test_the_engine_killed_between_decisions_is_started_again(policy):
    assert (await plain(policy)).allow
    os.kill(policy.worker_pid, signal.SIGKILL)
    decisions = [await plain(policy) for _ in range(2)]
    assert decisions[-1].allow
    assert decisions[0].allow or decisions[0].failed


async def test_the_engine_killed_in_the_middle_of_a_decision_denies_it(policy):
    assert (await plain(policy)).allow
    asked = asyncio.create_task(policy.decide(PACKAGE, {"slow": True}))
    await asyncio.sleep(0.2)
    os.kill(policy.worker_pid, signal.SIGKILL)
    decision = await asked
    assert not decision.allow and decision.failed
    assert (await plain(policy)).allow


async def test_clients_that_leave_do_not_end_the_engine(policy):
    assert (await plain(policy)).allow
    pid = policy.worker_pid
    leaving = [asyncio.create_task(plain(policy)) for _ in range(10)]
    await asyncio.sleep(0)
    for task in leaving:
        task.cancel()
    await asyncio.gather(*leaving, return_exceptions=True)
    assert (await plain(policy)).allow
    assert policy.worker_pid == pid


async def test_an_answer_that_is_not_true_is_no(policy):
    for answer in ("yes", 1, [True], {"allow": True}):
        assert not (await policy.decide(PACKAGE, {"answer": answer})).allow
    assert (await policy.decide(PACKAGE, {"answer": True})).allow


async def test_rules_that_contradict_each_other_are_no(policy):
    decision = await policy.decide(PACKAGE, {"plain": True, "answer": "x"})
    assert not decision.allow and decision.failed


async def test_a_policy_with_a_syntax_error_denies_everything_and_says_so(tmp_path):
    (tmp_path / "bad.rego").write_text("package homeport.trial\nallow if {")
    policy = RegoPolicy(Options(policies=(tmp_path,)))
    for _ in range(2):
        decision = await plain(policy)
        assert not decision.allow and "cannot be loaded" in decision.reason
        assert policy.worker_pid is None
    await policy.close()


def test_a_policy_file_that_is_not_there_is_an_error_at_once(tmp_path):
    with pytest.raises(HomeportError):
        RegoPolicy(Options(policies=(tmp_path / "nowhere.rego",)))
    with pytest.raises(HomeportError):
        RegoPolicy(Options(policies=(tmp_path,)))


async def test_another_policy_text_has_another_revision(trial, tmp_path):
    first = RegoPolicy(Options(policies=(trial,))).revision
    trial.write_text(RUNAWAY + "\n# changed\n")
    assert RegoPolicy(Options(policies=(trial,))).revision != first


async def test_a_ctrl_c_in_the_terminal_does_not_reach_the_engine(policy):
    assert (await plain(policy)).allow
    assert os.getsid(policy.worker_pid) != os.getsid(0)
    assert os.getpgid(policy.worker_pid) != os.getpgid(0)


async def test_closing_leaves_no_process(trial):
    policy = RegoPolicy(Options(policies=(trial,), deadline=20))
    assert (await plain(policy)).allow
    pid = policy.worker_pid
    await policy.close()
    assert gone(pid)


OWNER = """
import asyncio, sys
from pathlib import Path
from homeport.drivers.policies.rego import Options, RegoPolicy

async def main():
    policy = RegoPolicy(Options(policies=(Path(sys.argv[1]),), deadline=60))
    await policy.decide("homeport.trial", {"plain": True})
    print(policy.worker_pid, flush=True)
    await policy.decide("homeport.trial", {"slow": True})

asyncio.run(main())
"""


def test_the_engine_dies_with_its_server_even_in_the_middle_of_a_decision(trial):
    owner = subprocess.Popen([sys.executable, "-c", OWNER, str(trial)], stdout=subprocess.PIPE, text=True)
    try:
        watched = os.pidfd_open(int(owner.stdout.readline()))
    finally:
        owner.kill()
        owner.wait()
        owner.stdout.close()
    ended, _, _ = select.select([watched], [], [], 60)
    os.close(watched)
    assert ended, "the engine outlived its server"

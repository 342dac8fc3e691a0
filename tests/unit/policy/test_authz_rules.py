# SPDX-License-Identifier: Apache-2.0
"""The shipped rules, as a table: who may do what."""

from __future__ import annotations

import pytest

from homeport.drivers.policies.rego import Options, RegoPolicy

AUTHZ = "homeport.authz"
READS = "agents.read deployments.read requests.read logs.read events.read secrets.read server.read".split()
READS += ["requests.export", "webhooks.read"]
CHANGES = "agents.write deployments.write requests.write requests.bodies dataplane.call webhooks.write".split()
KEYS = "tokens.read tokens.write secrets.write audit.read".split()
VERBS = READS + CHANGES + KEYS
MAY = {
    "viewer": READS,
    "approver": READS,
    "operator": READS + CHANGES,
    "admin": VERBS,
    "agent": [],
}


@pytest.fixture
async def policy():
    policy = RegoPolicy(Options(deadline=20))
    yield policy
    await policy.close()


def ask(
    role="viewer", verb="agents.read", *, id="tok_1", home="default", there="default", agents=(), subject="billing"
):
    actor = {"id": id, "role": role, "namespace": home, "agents": list(agents)}
    return {"actor": actor, "verb": verb, "namespace": there, "subject": subject}


@pytest.mark.parametrize("role", MAY)
async def test_each_role_may_do_exactly_its_verbs(policy, role):
    for verb in [*VERBS, "agents", "agents.*", "*", "", "AGENTS.READ", "agents.read "]:
        decision = await policy.decide(AUTHZ, ask(role, verb))
        assert decision.allow is (verb in MAY[role]), (role, verb, decision.reason)
        assert decision.reason and not decision.failed


@pytest.mark.parametrize("role", MAY)
async def test_no_token_reaches_another_namespace(policy, role):
    for verb in VERBS:
        for there in ("other", "*", "", "default2", "DEFAULT"):
            assert not (await policy.decide(AUTHZ, ask(role, verb, there=there, agents=("billing",)))).allow


async def test_a_token_of_the_namespace_star_is_nothing_special(policy):
    assert not (await policy.decide(AUTHZ, ask("admin", home="*", there="default"))).allow


async def test_the_owner_of_the_local_socket_reaches_every_namespace_but_only_as_admin(policy):
    assert (await policy.decide(AUTHZ, ask("admin", id="local:1000", there="other"))).allow
    for id, role in (("local:", "admin"), ("xlocal:1", "admin"), ("local:1\nx", "admin"), ("local:0", "operator")):
        assert not (await policy.decide(AUTHZ, ask(role, id=id, there="other"))).allow


async def test_an_agents_token_calls_the_agents_it_names_and_nothing_else(policy):
    named = ("billing", "search")
    assert (await policy.decide(AUTHZ, ask("agent", "dataplane.call", agents=named))).allow
    denied = await policy.decide(AUTHZ, ask("agent", "dataplane.call", agents=named, subject="payroll"))
    assert not denied.allow and "payroll" in denied.reason
    for agents, subject in (((), "billing"), (("*",), "billing"), (("*",), "*"), (("",), ""), (("billing",), "*")):
        assert not (await policy.decide(AUTHZ, ask("agent", "dataplane.call", agents=agents, subject=subject))).allow
    for verb in set(VERBS) - {"dataplane.call"}:
        assert not (await policy.decide(AUTHZ, ask("agent", verb, agents=named))).allow


@pytest.mark.parametrize("role", ["operator", "admin"])
async def test_a_wider_token_that_names_agents_is_held_to_them_on_the_data_plane(policy, role):
    assert (await policy.decide(AUTHZ, ask(role, "dataplane.call"))).allow
    assert (await policy.decide(AUTHZ, ask(role, "dataplane.call", subject="*"))).allow
    assert (await policy.decide(AUTHZ, ask(role, "dataplane.call", agents=("billing",)))).allow
    assert not (await policy.decide(AUTHZ, ask(role, "dataplane.call", agents=("search",)))).allow
    assert not (await policy.decide(AUTHZ, ask(role, "dataplane.call", agents=("search",), subject="*"))).allow


ODD = [None, True, 0, 1.5, [], {}, ["admin"], {"admin": True}, "", "nobody", "*", "admin\0", [[]] * 50]


async def test_a_field_that_is_missing_or_odd_proves_nothing(policy):
    good = ask("admin", "tokens.write")
    assert (await policy.decide(AUTHZ, good)).allow
    for field in ("actor", "verb", "namespace"):
        cases = [{k: v for k, v in good.items() if k != field}] + [{**good, field: odd} for odd in ODD]
        for case in cases:
            assert not (await policy.decide(AUTHZ, case)).allow, case
    for field in ("id", "role", "namespace"):
        actor = good["actor"]
        cases = [{k: v for k, v in actor.items() if k != field}]
        cases += [{**actor, field: odd} for odd in ODD if not (field == "id" and isinstance(odd, str) and odd)]
        for case in cases:
            assert not (await policy.decide(AUTHZ, {**good, "actor": case})).allow, case


async def test_two_namespaces_that_are_both_odd_are_not_the_same_namespace(policy):
    for odd in (None, "", [], {}, 0, False):
        assert not (await policy.decide(AUTHZ, ask("admin", home=odd, there=odd))).allow
    assert not (await policy.decide(AUTHZ, {"actor": {"id": "x", "role": "admin"}, "verb": "agents.read"})).allow


async def test_an_odd_list_of_agents_opens_nothing(policy):
    for odd in (None, "billing", {"billing": "billing"}, 0, True, [["billing"]], [{}]):
        for role in ("agent", "operator", "admin"):
            case = ask(role, "dataplane.call")
            case["actor"]["agents"] = odd
            assert not (await policy.decide(AUTHZ, case)).allow, (role, odd)
        case["actor"].pop("agents")
        assert not (await policy.decide(AUTHZ, case)).allow


async def test_an_input_too_large_or_too_deep_is_denied_and_the_next_one_is_decided(policy):
    deep = []
    for _ in range(400):
        deep = [deep]
    for case in (
        {**ask("admin"), "subject": "x" * 300_000},
        {**ask("admin"), "subject": deep},
        {**ask("admin", agents=["a" * 50] * 20_000)},
    ):
        assert not (await policy.decide(AUTHZ, case)).allow
    assert (await policy.decide(AUTHZ, ask("admin"))).allow

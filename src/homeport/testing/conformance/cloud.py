# SPDX-License-Identifier: Apache-2.0
"""What every Cloud does. The fixture `cloud` gives one that holds no machine of ours."""

from __future__ import annotations

from homeport.interfaces.cloud import Cloud

TAG, OTHER = "0123456789ab", "ba9876543210"


class CloudSuite:
    async def test_what_is_offered_can_be_had_and_says_what_it_is(self, cloud: Cloud) -> None:
        offer = (await cloud.offers())[0]
        assert offer.cloud == cloud.name
        assert offer.cpus > 0 and offer.memory_bytes >= 0 and offer.hourly.micros >= 0
        machine = await cloud.create(offer, namespace="team", owner_tag=TAG, name="billing")
        assert (machine.namespace, machine.cloud, machine.owner_tag) == ("team", cloud.name, TAG)
        assert (machine.region, machine.machine_type) == (offer.region, offer.machine_type)
        assert machine.id

    async def test_a_machine_is_found_again_by_its_tag_and_only_by_it(self, cloud: Cloud) -> None:
        assert await cloud.find(TAG) is None
        offer = (await cloud.offers())[0]
        machine = await cloud.create(offer, namespace="team", owner_tag=TAG, name="billing")
        assert await cloud.find(TAG) == machine
        assert await cloud.find(OTHER) is None

    async def test_all_that_carries_a_tag_of_ours_is_listed(self, cloud: Cloud) -> None:
        assert await cloud.owned() == []
        offer = (await cloud.offers())[0]
        machines = [await cloud.create(offer, namespace="team", owner_tag=tag, name=tag[:3]) for tag in (TAG, OTHER)]
        assert sorted(m.id for m in await cloud.owned()) == sorted(m.id for m in machines)

    async def test_a_deleted_machine_is_gone_and_deleting_it_again_is_no_error(self, cloud: Cloud) -> None:
        offer = (await cloud.offers())[0]
        machine = await cloud.create(offer, namespace="team", owner_tag=TAG, name="billing")
        kept = await cloud.create(offer, namespace="team", owner_tag=OTHER, name="other")
        await cloud.delete(machine)
        await cloud.delete(machine)
        assert await cloud.find(TAG) is None
        assert await cloud.owned() == [kept]

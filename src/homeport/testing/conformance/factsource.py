# SPDX-License-Identifier: Apache-2.0
"""What every FactSource does.

The fixture `source` gives one that has facts, `silent` one that nobody answers, `junk` one that is told nonsense.
"""

from __future__ import annotations

from datetime import date

import pytest

from homeport.errors import InvalidSource, Unavailable
from homeport.interfaces.factsource import FactSource
from homeport.model.codec import pack, unpack
from homeport.model.facts import Facts
from homeport.model.money import Money


class FactSourceSuite:
    async def test_asked_twice_it_says_the_same(self, source: FactSource) -> None:
        assert await source.fetch() == await source.fetch()

    async def test_facts_are_of_this_cloud_and_of_a_day_and_say_where_they_are_from(self, source: FactSource) -> None:
        facts = await source.fetch()
        assert facts.cloud == source.cloud
        assert facts.origin
        date.fromisoformat(facts.as_of)
        assert {(offer.cloud, offer.as_of) for offer in facts.offers} == {(source.cloud, facts.as_of)}
        assert all(image.cloud == source.cloud for image in facts.images)

    async def test_no_two_offers_are_for_the_same_machine_in_the_same_place(self, source: FactSource) -> None:
        offers = (await source.fetch()).offers
        assert offers
        assert len({(offer.region, offer.machine_type) for offer in offers}) == len(offers)

    async def test_what_has_a_price_costs_something_and_what_has_none_is_not_free(self, source: FactSource) -> None:
        for offer in (await source.fetch()).offers:
            assert isinstance(offer.hourly, Money)
            assert (offer.hourly.micros > 0) is offer.priced

    async def test_a_machine_has_processors_and_memory(self, source: FactSource) -> None:
        for offer in (await source.fetch()).offers:
            assert offer.cpus > 0
            assert offer.memory_bytes > 0
            assert offer.disk_bytes >= 0
            assert offer.gpus >= 0

    async def test_facts_can_be_kept_and_read_again(self, source: FactSource) -> None:
        facts = await source.fetch()
        assert unpack(pack(facts), Facts) == facts

    async def test_nobody_there_is_told_and_may_pass(self, silent: FactSource) -> None:
        with pytest.raises(Unavailable) as raised:
            await silent.fetch()
        assert raised.value.retry

    async def test_nonsense_is_refused_and_nothing_is_guessed(self, junk: FactSource) -> None:
        with pytest.raises(InvalidSource):
            await junk.fetch()

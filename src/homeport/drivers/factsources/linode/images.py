# SPDX-License-Identifier: Apache-2.0
"""From Linode's public images to system images. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from homeport.drivers.factsources.linode.wire import Image
from homeport.model.systemimage import SystemImage

_PLAIN = re.compile(r"linode/([a-z]+)(-stream)?([0-9]+(?:\.[0-9]+)*)?(?:lts)?")
"""An image of a distribution as it is, not one prepared for a cluster or an application."""
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_MOST = 1000


def system_images(images: Sequence[Image]) -> list[SystemImage]:
    """Those of plain distributions that are still offered, the login root."""
    found = []
    for image in images[:_MOST]:
        name = _PLAIN.fullmatch(image.id)
        if name is None or image.deprecated or not image.is_public:
            continue
        made_on = _DATE.match(image.created or "")
        found.append(
            SystemImage(
                cloud="linode",
                name=image.id,
                family=name[1],
                version=name[3] or "",
                made_on=made_on[0] if made_on else "",
                id=image.id,
            )
        )
    return found

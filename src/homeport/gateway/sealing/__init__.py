# SPDX-License-Identifier: Apache-2.0
"""What the journal must not show to whoever reads its files: credentials always, headers and bodies by choice.

The way of the bytes is in `core.aead`; where large bodies lie is the spool's.
"""

from homeport.gateway.sealing.headers import Sealing, redacted, shown_target
from homeport.gateway.sealing.keys import Keys
from homeport.gateway.sealing.whose import in_block, of_request, of_response, whose_request, whose_response

__all__ = [
    "Keys",
    "Sealing",
    "in_block",
    "of_request",
    "of_response",
    "redacted",
    "shown_target",
    "whose_request",
    "whose_response",
]

# SPDX-License-Identifier: Apache-2.0
"""The Secrets contract over any Store and any Sealer."""

from __future__ import annotations

import json

from homeport.drivers.secrets.sealed.sealer import Options
from homeport.errors import HomeportError, NotFound, UsageError
from homeport.interfaces.secrets import Sealer
from homeport.interfaces.store import Store
from homeport.model.secret import LONGEST_VALUE, Secret, check_secret_name


class SealedSecrets:
    """Sealed with namespace and name, so that a record copied to another place opens nothing there."""

    def __init__(self, options: Options, store: Store, sealer: Sealer) -> None:
        self._options = options
        self._store = store
        self._sealer = sealer

    async def put(self, namespace: str, name: str, value: str) -> None:
        check_secret_name(name)
        if len(value) > LONGEST_VALUE:
            raise UsageError(f"a secret is at most {LONGEST_VALUE} characters", operation="set secret", subject=name)
        plain = json.dumps({"namespace": namespace, "name": name, "value": value}).encode()
        await self._store.put(Secret(self._sealer.seal(plain).decode("ascii")), namespace=namespace, key=name)

    async def get(self, namespace: str, name: str) -> str:
        check_secret_name(name)
        stored = await self._store.get(Secret, namespace, name)
        if stored is None:
            raise NotFound(
                f"there is no secret {name} in namespace {namespace}",
                operation="get secret",
                subject=name,
                hint=f"homeport secret set {name}",
            )
        try:
            held = json.loads(self._sealer.unseal(stored.record.sealed.encode()))
        except HomeportError as error:
            raise HomeportError(
                f"the secret {name} cannot be opened: {error.message}",
                operation="get secret",
                subject=name,
                hint=f"restore the key file {self._options.key_file}, or: homeport secret set {name}",
            ) from error
        if (held["namespace"], held["name"]) != (namespace, name):
            raise HomeportError(
                f"the record of secret {name} was moved there from another place",
                operation="get secret",
                subject=name,
                hint=f"homeport secret set {name}",
            )
        return str(held["value"])

    async def delete(self, namespace: str, name: str) -> bool:
        check_secret_name(name)
        return await self._store.delete(Secret, namespace, name)

    async def names(self, namespace: str) -> list[str]:
        found: list[str] = []
        while page := await self._store.list(Secret, namespace, after=found[-1] if found else ""):
            found += [stored.key for stored in page]
        return found

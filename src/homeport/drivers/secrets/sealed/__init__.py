# SPDX-License-Identifier: Apache-2.0
"""Secrets in the state store, sealed with the key of this installation."""

from homeport.drivers.secrets.sealed.aead import AesGcm
from homeport.drivers.secrets.sealed.passphrase import PassphraseSealer
from homeport.drivers.secrets.sealed.sealer import FernetSealer, Options
from homeport.drivers.secrets.sealed.secrets import SealedSecrets

__all__ = ["AesGcm", "FernetSealer", "Options", "PassphraseSealer", "SealedSecrets"]

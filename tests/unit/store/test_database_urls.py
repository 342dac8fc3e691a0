# SPDX-License-Identifier: Apache-2.0
"""What may be shown of the address of a database."""

from __future__ import annotations

import pytest

from homeport.errors import UsageError
from homeport.model.database import check_database_url, is_database_url, passwords, shown, without_passwords


@pytest.mark.parametrize(
    ("url", "says", "secrets"),
    [
        ("postgresql://hp@db.example:5433/home", "postgresql://db.example:5433/home", ()),
        ("postgres://hp:p%40ss@db/home?sslmode=require", "postgresql://db/home", ("p%40ss", "p@ss")),
        (
            "postgresql:///home?host=/run/pg&password=x%2By",
            "postgresql:///run/pg/home",
            ("x%2By", "x+y"),
        ),
        ("postgresql://a,b:5433/home", "postgresql://a,b:5433/home", ()),
        ("postgresql://hp:only@/", "postgresql://localhost/?", ("only",)),
        ("postgresql://db/home?sslpassword=k", "postgresql://db/home", ("k",)),
    ],
)
def test_the_server_and_the_database_are_shown_nothing_else(url, says, secrets):
    check_database_url(url)
    assert is_database_url(url) and shown(url) == says and set(passwords(url)) == set(secrets)
    assert not any(secret in without_passwords(f"cannot connect with {secret}", url) for secret in secrets)


@pytest.mark.parametrize(
    "url",
    ["", "mysql://h/d", "postgresql://a@b@h/d", "postgresql://[::1/d", "postgresql://h/d#x", "postgresql://h/d?novalue",
     "postgresql://h/d\0", "host=h dbname=d"],
)  # fmt: skip
def test_what_libpq_would_take_apart_otherwise_is_refused_and_not_repeated(url):
    with pytest.raises(UsageError) as caught:
        check_database_url(url)
    assert not url or url not in f"{caught.value.to_dict()}"

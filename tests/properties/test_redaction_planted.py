# SPDX-License-Identifier: Apache-2.0
"""A planted secret never survives, whatever is around it."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from homeport.model.redaction import MASK, redact, redact_value

SOUP = st.text(st.sampled_from(list("ab09_-.:=/@?&\"'\\{}[] \n*%eyJ")) | st.characters(), max_size=60)
ALNUM = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
EDGE = st.sampled_from(["", " ", "\n", '"', "'", "=", ": ", "/", "(", ",", "\\", "@", "&"])
TOKEN = st.one_of(
    st.text(ALNUM + "_-", min_size=43, max_size=43).map("hp_{}".format),
    st.text(ALNUM, min_size=36, max_size=36).map("ghp_{}".format),
    st.text(ALNUM, min_size=32, max_size=48).map("sk-{}".format),
    st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", min_size=16, max_size=16).map("AKIA{}".format),
    st.tuples(*[st.text(ALNUM + "_-", min_size=10, max_size=30)] * 3).map(lambda p: f"eyJ{p[0]}.{p[1]}.{p[2]}"),
)


@settings(max_examples=300, deadline=None)
@given(secret=st.text(min_size=4, max_size=30), around=st.lists(SOUP, min_size=2, max_size=5))
def test_a_known_value_never_survives(secret, around):
    if secret in MASK * 20:
        return
    clean = redact(secret.join(around), [secret])
    for part in clean.split(MASK):
        assert secret not in part


@settings(max_examples=300, deadline=None)
@given(
    secrets=st.lists(st.text("abc", min_size=4, max_size=8), min_size=1, max_size=4), text=st.text("abc", max_size=60)
)
def test_overlapping_known_values_never_survive(secrets, text):
    clean = redact(text, secrets)
    assert not any(secret in clean for secret in secrets)


@settings(max_examples=300, deadline=None)
@given(before=SOUP, edge=EDGE, token=TOKEN, other=EDGE, after=SOUP)
def test_a_token_that_stands_by_itself_never_survives(before, edge, token, other, after):
    text = f"{before} {edge}{token}{other} {after}"
    assert token not in redact(text)


@settings(max_examples=200, deadline=None)
@given(text=SOUP, secret=st.text(ALNUM, min_size=6, max_size=20).map("zq{}".format))
def test_assigned_values_never_survive(text, secret):
    for template in ("password={}", "DB_PASSWORD: {}", "?token={}&x", "https://u:{}@h/", "Authorization: x {}"):
        assert secret not in redact(f"{text} {template.format(secret)} {text}")
    assert secret not in redact(json.dumps({"log": json.dumps({"api_key": secret, "x": text})}))
    assert secret not in json.dumps(redact_value([{"x": {"client_secret": secret}}, (text,)]))


@settings(max_examples=300, deadline=None)
@given(text=SOUP)
def test_a_clean_text_stays_as_it_is(text):
    clean = redact(text)
    assert redact(clean) == clean

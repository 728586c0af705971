"""What we sign ourselves: access tokens and patients' links, and the keys that they are signed with."""

from __future__ import annotations

import os
import stat
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.access.keyring import KEYS_KEPT, KeyFileWrong, Keyring, SigningKey, ensure, rotate
from gateway.access.links import LinkRefused, mint_link, verify_link
from gateway.access.policy import covers
from gateway.access.scopes import ScopeUnknown, granted, read_scopes, written
from gateway.access.tokens import TokenExpired, TokenRefused, Tokens

BASE = "https://continuum.example"
SCOPES = frozenset({"system/Task.rs"})
SOON = datetime.now(UTC) + timedelta(days=7)


def test_a_token_is_good_at_every_process_that_has_the_key(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    ensure(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    one, two = (Tokens(Keyring.open(file), BASE) for _ in range(2))
    said = two.read(one.mint("clinic", "c", SCOPES))
    assert (said.tenant, said.client, said.scopes) == ("clinic", "c", SCOPES)
    assert said.expires_at == pytest.approx(time.time() + 300, abs=5)


def test_a_rotated_key_signs_at_once_and_the_old_one_is_still_good(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    ensure(file)
    ring = Keyring.open(file)
    before = Tokens(ring, BASE).mint("clinic", "c", SCOPES)
    link = mint_link(ring, "clinic", "j1", SOON)
    new = rotate(file)
    assert ring.signing().kid == new.kid
    assert jwt.get_unverified_header(Tokens(ring, BASE).mint("clinic", "c", SCOPES))["kid"] == new.kid
    Tokens(ring, BASE).read(before)
    assert verify_link(ring, link).journey == "j1"
    for _ in range(KEYS_KEPT):
        rotate(file)
    with pytest.raises(TokenRefused):
        Tokens(ring, BASE).read(before)
    with pytest.raises(LinkRefused):
        verify_link(ring, link)


@pytest.mark.parametrize("text", ["", "{}", '{"keys": []}', '{"keys": [{"kty": "RSA", "crv": "", "kid": "x"}]}', "[1]"])
def test_a_file_without_keys_is_one_line_that_says_so(tmp_path: Path, text: str) -> None:
    file = tmp_path / "keys.json"
    file.write_text(text)
    with pytest.raises(KeyFileWrong, match=str(file)):
        Keyring.open(file)
    with pytest.raises(KeyFileWrong, match="cannot be read"):
        Keyring.open(tmp_path / "nowhere.json")


def test_a_token_of_another_key_issuer_or_kind_is_none() -> None:
    ring = Keyring((SigningKey("k", SigningKey.new().private),))
    tokens = Tokens(ring, BASE)
    key = ring.signing()
    right = {"iss": BASE, "aud": BASE, "sub": "c", "tenant": "t", "scope": "", "iat": int(time.time())}
    right["exp"] = int(time.time()) + 300

    def signed(claims: dict[str, object], by: SigningKey = key, **headers: object) -> str:
        return jwt.encode(claims, by.private, algorithm="EdDSA", headers={"kid": "k", "typ": "at+jwt", **headers})

    tokens.read(signed(right))
    for wrong in (
        Tokens(ring, "https://other.example").mint("t", "c", SCOPES),
        Tokens(Keyring.open(None), BASE).mint("t", "c", SCOPES),
        signed(right, SigningKey("k", SigningKey.new().private)),
        signed(right, typ="JWT"),
        signed(right, crit=["x"]),
        signed(right, kid="other"),
        signed({k: v for k, v in right.items() if k != "exp"}),
        signed({k: v for k, v in right.items() if k != "tenant"}),
        "a.b.c",
        "",
        "é",
    ):
        with pytest.raises(TokenRefused):
            tokens.read(wrong)
    with pytest.raises(TokenExpired):
        tokens.read(tokens.mint("t", "c", SCOPES, now=time.time() - 400))


# --- links


def test_a_link_says_nothing_of_whose_it_is() -> None:
    ring = Keyring.open(None)
    token = mint_link(ring, "clinic", "j-very-recognisable", SOON)
    import base64

    assert b"recognisable" not in base64.urlsafe_b64decode(token.removeprefix("pl_"))
    caller = verify_link(ring, token).caller()
    assert (caller.kind, caller.journey, caller.roles) == ("patient", "j-very-recognisable", frozenset({"patient"}))
    assert caller.sender == "patient:j-very-recognisable"


def test_a_link_ends_and_every_letter_of_it_counts() -> None:
    ring = Keyring.open(None)
    token = mint_link(ring, "clinic", "j1", SOON)
    with pytest.raises(LinkRefused):
        verify_link(ring, token, now=SOON.timestamp() + 1)
    for n in range(3, len(token.rstrip("=")) - 1):  # base64 has bits to spare in its last letter
        changed = token[:n] + ("A" if token[n] != "A" else "B") + token[n + 1 :]
        with pytest.raises(LinkRefused):
            verify_link(ring, changed)
    for wrong in (
        "",
        "pl_",
        token.removeprefix("pl_"),
        "pl_" + "A" * 5000,
        "pl_é",
        mint_link(Keyring.open(None), "c", "j", SOON),
    ):
        with pytest.raises(LinkRefused):
            verify_link(ring, wrong)


# --- scopes


@pytest.mark.parametrize(
    ("asked", "given", "got"),
    [
        ("system/*.rs", "system/Task.cruds system/Patient.r", "system/Patient.r system/Task.rs"),
        ("system/Task.read", "system/*.cruds", "system/Task.rs"),
        ("system/Task.write", "system/*.cruds", "system/Task.cud"),
        ("system/Task.*", "system/Task.rs", "system/Task.rs"),
        ("system/*.read", "system/*.*", "system/*.rs"),
        ("system/Task.c system/Task.r", "system/Task.cruds", "system/Task.cr"),
        ("system/Task.c", "system/Task.rs", ""),
        ("system/Task.sr", "system/Task.rs", ""),
        ("system/Task.", "system/Task.rs", ""),
        ("system/Task.rs?status=requested", "system/Task.rs", ""),
        ("patient/*.rs user/*.rs openid", "system/*.cruds", ""),
        ("", "system/*.cruds", ""),
        ("continuum/whole-tenant", "system/Task.rs continuum/whole-tenant", ""),
        ("system/Task.r continuum/whole-tenant", "system/Task.rs", "system/Task.r"),
        (
            "system/Task.r continuum/whole-tenant",
            "system/Task.rs continuum/whole-tenant",
            "continuum/whole-tenant system/Task.r",
        ),
    ],
)
def test_a_token_has_what_is_both_asked_for_and_given(asked: str, given: str, got: str) -> None:
    assert " ".join(sorted(granted(asked, given))) == got


def test_what_is_registered_is_version_2_or_a_mistake() -> None:
    assert written("system/Task.read system/Patient.*") == "system/Patient.cruds system/Task.rs"
    for wrong in ("system/Task", "user/Task.rs", "system/task.rs", "system/Task.x"):
        with pytest.raises(ScopeUnknown, match=wrong):
            written(wrong)


TYPES = st.sampled_from(["*", "Task", "Patient", "ServiceRequest"])
PERMISSIONS = st.sets(st.sampled_from("cruds"), min_size=1).map(lambda s: "".join(c for c in "cruds" if c in s))
MANY = st.lists(st.builds(lambda t, p: f"system/{t}.{p}", TYPES, PERMISSIONS), max_size=4).map(" ".join)


@given(MANY, MANY, st.sampled_from(["Task", "Patient", "Observation"]), st.sampled_from("cruds"))
def test_a_token_covers_exactly_what_both_cover(asked: str, given_: str, name: str, permission: str) -> None:
    wanted = f"{name}.{permission}"
    both = covers(asked.split(), wanted) and covers(given_.split(), wanted)
    assert covers(granted(asked, given_), wanted) == both
    assert read_scopes(asked)[1] == frozenset()


def test_a_key_file_is_replaced_at_once(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    rotate(file)
    rotate(file)
    assert os.listdir(tmp_path) == ["keys.json"]  # noqa: PTH208

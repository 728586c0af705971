"""SMART Backend Services: what is accepted once, and everything that is not (RELIABILITY cases 10 and 11)."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from fastapi import FastAPI

from gateway import answers
from gateway.access import guard, oauth
from gateway.access.settings import AccessSettings
from gateway.context import Gateway, GatewaySettings, LazyTemporal
from records import audit, clients
from records.clients import RegisteredClient
from records.database import Database
from tests.conftest import House
from tests.gateway.access.assertion import System, b64, form, public_jwk

BASE = "https://continuum.example"
URL = f"{BASE}/oauth/token"
ORDER_OF_P384 = int(
    "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973", 16
)
NAMES = [0]


def built(database: Database, access: AccessSettings | None = None) -> FastAPI:
    many = AccessSettings(failures_per_minute=100_000)
    gateway = Gateway(database, LazyTemporal(), GatewaySettings(tenant="clinic", base_url=BASE, access=access or many))
    app = FastAPI(openapi_url=None)
    app.state.gateway = gateway
    answers.install(app)
    app.include_router(oauth.router)
    guard.install(app, gateway)
    return app


def browser(app: FastAPI) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE)


@pytest.fixture(scope="module")
async def http(quiet_house: House) -> AsyncIterator[httpx.AsyncClient]:
    async with browser(built(quiet_house.database)) as opened:
        yield opened


async def registered(house: House, **changed: Any) -> System:
    NAMES[0] += 1
    system = System(f"hospital-{NAMES[0]}-{time.monotonic_ns()}", URL)
    fields = {
        "tenant": "clinic",
        "id": system.id,
        "name": "Hospital",
        "scopes": "system/ServiceRequest.cruds system/Task.rs",
        "jwks": system.jwks(),
        **changed,
    }
    await clients.add(house.database, RegisteredClient(**fields))
    return system


@pytest.fixture(scope="module")
async def system(quiet_house: House) -> System:
    return await registered(quiet_house)


# --- what is accepted


@pytest.mark.parametrize(("alg", "kid"), [("ES384", "ec-1"), ("RS384", "rsa-1")])
async def test_a_good_assertion_gives_a_token_for_what_is_asked_and_given(
    http: httpx.AsyncClient, system: System, quiet_house: House, alg: str, kid: str
) -> None:
    answer = await http.post(URL, data=form(system.sign(system.claims(), alg=alg, kid=kid)))
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    body = answer.json()
    assert body["scope"] == "system/ServiceRequest.rs system/Task.rs"
    assert (body["token_type"], body["expires_in"]) == ("bearer", 300)
    (row, *_) = await audit.events(quiet_house.database, "clinic", caller=f"client:{system.id}")
    assert (row["operation"], row["outcome"]) == ("POST /oauth/token", 200)


@pytest.mark.parametrize("change", [{"iat": None}, {"nbf": 0}, {"aud": [URL]}, {"exp": 299}])
async def test_what_may_be_left_out_or_said_otherwise(
    http: httpx.AsyncClient, system: System, change: dict[str, Any]
) -> None:
    now = int(time.time())
    moments = {"nbf": now - 5, "exp": now + 290}
    change = {name: moments.get(name, value) for name, value in change.items()}
    assert (await http.post(URL, data=form(system.good(**change)))).status_code == 200


async def test_where_to_sign_in_is_said_at_both_places(http: httpx.AsyncClient) -> None:
    for path in ("/.well-known/smart-configuration", "/fhir/.well-known/smart-configuration"):
        said = (await http.get(path)).json()
        assert said["token_endpoint"] == URL
        assert said["token_endpoint_auth_signing_alg_values_supported"] == ["RS384", "ES384"]
        assert "client-confidential-asymmetric" in said["capabilities"]


# --- what is not

Attack = Callable[[System], str]
OTHER_EC = ec.generate_private_key(ec.SECP384R1())
P256 = ec.generate_private_key(ec.SECP256R1())
SMALL_RSA = rsa.generate_private_key(65537, 1024)
FOREIGN = "https://evil.example/jwks.json"
ATTACKS: dict[str, Attack] = {}


def attack(make: Attack) -> Attack:
    ATTACKS[make.__name__.replace("_", " ")] = make
    return make


def claims_attack(name: str, change: Callable[[float], dict[str, Any]]) -> None:
    ATTACKS[name] = lambda s: s.sign(s.claims(**change(time.time())))


def header_attack(name: str, **headers: Any) -> None:
    ATTACKS[name] = lambda s: s.sign(s.claims(), **headers)


def raw(system: System, header: dict[str, Any], signature: bytes = b"x" * 96, claims: Any = None) -> str:
    return f"{b64(header)}.{b64(system.claims() if claims is None else claims)}.{b64(signature)}"


@attack
def alg_none(s: System) -> str:
    return f"{b64({'alg': 'none', 'typ': 'JWT', 'kid': 'ec-1'})}.{b64(s.claims())}."


@attack
def alg_none_in_capitals(s: System) -> str:
    return raw(s, {"alg": "NoNe", "kid": "ec-1"}, b"")


@attack
def hmac_with_the_public_key(s: System) -> str:
    import hashlib
    import hmac

    pem = s.rsa.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    signed = f"{b64({'alg': 'HS384', 'kid': 'rsa-1'})}.{b64(s.claims())}"
    return f"{signed}.{b64(hmac.new(pem, signed.encode(), hashlib.sha384).digest())}"


@attack
def weaker_hash(s: System) -> str:
    return s.sign(s.claims(), alg="RS256", kid="rsa-1")


@attack
def pss_where_pkcs_was_registered(s: System) -> str:
    return s.sign(s.claims(), alg="PS384", kid="rsa-1")


@attack
def right_algorithm_for_the_other_key(s: System) -> str:
    return s.sign(s.claims(), alg="RS384", kid="ec-1")


@attack
def signed_by_somebody_else(s: System) -> str:
    return s.sign(s.claims(), key=OTHER_EC)


@attack
def key_of_another_curve(s: System) -> str:
    return s.sign(s.claims(), key=P256, alg="ES256", kid="ec-1")


@attack
def no_signature(s: System) -> str:
    return s.good().rpartition(".")[0] + "."


@attack
def signature_of_another_assertion(s: System) -> str:
    return s.good().rpartition(".")[0] + "." + s.good().rpartition(".")[2]


@attack
def claims_changed_after_signing(s: System) -> str:
    header, _, signature = s.good().split(".")
    return f"{header}.{b64(s.claims())}.{signature}"


@attack
def zero_signature(s: System) -> str:  # CVE-2022-21449
    return raw(s, {"alg": "ES384", "kid": "ec-1"}, bytes(96))


@attack
def signature_in_der(s: System) -> str:
    from cryptography.hazmat.primitives.hashes import SHA384

    signed = f"{b64({'alg': 'ES384', 'kid': 'ec-1'})}.{b64(s.claims())}"
    return f"{signed}.{b64(s.ec.sign(signed.encode(), ec.ECDSA(SHA384())))}"


@attack
def no_kid(s: System) -> str:
    return s.sign(s.claims(), kid=None)


@attack
def kid_of_a_wrong_type(s: System) -> str:
    return raw(s, {"alg": "ES384", "kid": ["ec-1"]})


@attack
def kid_as_a_path(s: System) -> str:
    return s.sign(s.claims(), kid="../../../../dev/null")


@attack
def key_brought_along(s: System) -> str:
    return s.sign(s.claims(), key=OTHER_EC, jwk=public_jwk(OTHER_EC, "ec-1"))


@attack
def certificate_brought_along(s: System) -> str:
    return s.sign(s.claims(), x5c=["MIIB"])


@attack
def a_token_in_a_token(s: System) -> str:
    return jwt.encode({"inner": s.good()}, s.ec, algorithm="ES384", headers={"kid": "ec-1", "cty": "JWT"})


@attack
def nested_as_the_payload(s: System) -> str:
    return f"{b64({'alg': 'ES384', 'kid': 'ec-1'})}.{b64(s.good().encode())}.{b64(bytes(96))}"


@attack
def five_parts(s: System) -> str:
    return f"{b64({'alg': 'ECDH-ES', 'enc': 'A128GCM', 'kid': 'ec-1'})}....."


@attack
def payload_is_a_list(s: System) -> str:
    return f"{b64({'alg': 'ES384', 'kid': 'ec-1'})}.{b64(b'[]')}.{b64(bytes(96))}"


@attack
def a_megabyte(s: System) -> str:
    return s.sign(s.claims(padding="x" * 20_000))


@attack
def deep_json(s: System) -> str:
    return f"{b64(b'[' * 3000)}.{b64(s.claims())}.{b64(bytes(96))}"


@attack
def not_ascii(s: System) -> str:
    return s.good() + "é"


@attack
def empty(_: System) -> str:
    return ""


@attack
def an_access_token_of_ours_as_assertion(s: System) -> str:
    return raw(s, {"alg": "EdDSA", "typ": "at+jwt", "kid": "x"})


for name in ("iss", "sub", "aud", "exp", "jti"):
    claims_attack(f"without {name}", partial(lambda missing, _: {missing: None}, name))
claims_attack("iss of another", lambda _: {"iss": "somebody-else"})
claims_attack("sub of another", lambda _: {"sub": "somebody-else"})
claims_attack("an unknown client", lambda _: {"iss": "nobody-here", "sub": "nobody-here"})
claims_attack("client with a NUL", lambda _: {"iss": "a\0b", "sub": "a\0b"})
claims_attack("aud of another", lambda _: {"aud": "https://other.example/oauth/token"})
claims_attack("aud is our base", lambda _: {"aud": BASE})
claims_attack("aud with a slash more", lambda _: {"aud": URL + "/"})
claims_attack("aud among others", lambda _: {"aud": [URL, "https://other.example"]})
claims_attack("exp past", lambda now: {"exp": int(now) - 1, "iat": int(now) - 200})
claims_attack("exp too far", lambda now: {"exp": int(now) + 310})
claims_attack("exp a day ahead", lambda now: {"exp": int(now) + 86_400})
claims_attack("exp not a number", lambda _: {"exp": "tomorrow"})
claims_attack("exp true", lambda _: {"exp": True})
claims_attack("exp beyond all", lambda _: {"exp": 10**400})
claims_attack("nbf future", lambda now: {"nbf": int(now) + 120})
claims_attack("iat future", lambda now: {"iat": int(now) + 120})
claims_attack("iat long ago", lambda now: {"iat": int(now) - 3600})
claims_attack("jti a number", lambda _: {"jti": 7})
claims_attack("jti empty", lambda _: {"jti": ""})
claims_attack("jti with a NUL", lambda _: {"jti": "a\0b"})
claims_attack("jti too long", lambda _: {"jti": "j" * 300})
header_attack("foreign jku", jku=FOREIGN)
header_attack("foreign x5u", x5u=FOREIGN)
header_attack("unknown kid", kid="ec-9")
header_attack("typ of something else", typ="at+jwt")
header_attack("crit", crit=["exp"])
header_attack("payload not encoded", b64=False, crit=["b64"])
header_attack("zip", zip="DEF")

THE_ANSWER = b'{"error":"invalid_client","error_description":"the client\'s assertion was not accepted"}'


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS.keys())
async def test_an_attack_is_refused_in_the_same_words(http: httpx.AsyncClient, system: System, attack: Attack) -> None:
    answer = await http.post(URL, data=form(attack(system)))
    assert (answer.status_code, answer.content) == (400, THE_ANSWER)


def test_there_are_enough_attacks() -> None:
    assert len(ATTACKS) >= 50


KEY_FAULTS: dict[str, Callable[[System], list[dict[str, Any]]]] = {
    "two keys of one name": lambda s: [public_jwk(s.ec, "ec-1"), public_jwk(OTHER_EC, "ec-1")],
    "key for encryption": lambda s: [public_jwk(s.ec, "ec-1", use="enc")],
    "key for other operations": lambda s: [public_jwk(s.ec, "ec-1", key_ops=["sign"])],
    "key for another algorithm": lambda s: [public_jwk(s.ec, "ec-1", alg="ES256")],
    "symmetric key": lambda s: [{"kty": "oct", "k": "c2VjcmV0", "kid": "ec-1"}],
    "key that is none": lambda s: [{"kty": "EC", "crv": "P-384", "x": "AA", "y": "AA", "kid": "ec-1"}],
}


@pytest.mark.parametrize("keys", KEY_FAULTS.values(), ids=KEY_FAULTS.keys())
async def test_a_key_that_may_not_count_does_not(
    http: httpx.AsyncClient, quiet_house: House, keys: Callable[[System], list[dict[str, Any]]]
) -> None:
    system = await registered(quiet_house)
    await clients.set_keys(quiet_house.database, "clinic", system.id, jwks={"keys": keys(system)}, jwks_url=None)
    answer = await http.post(URL, data=form(system.good()))
    assert (answer.status_code, answer.content) == (400, THE_ANSWER)


@pytest.mark.parametrize(("key", "alg"), [(SMALL_RSA, "RS384"), (P256, "ES384")], ids=["RSA of 1024 bits", "P-256"])
async def test_a_weak_key_does_not_count(http: httpx.AsyncClient, quiet_house: House, key: Any, alg: str) -> None:
    system = await registered(quiet_house, jwks={"keys": [public_jwk(key, "weak")]})
    signed = f"{b64({'alg': alg, 'kid': 'weak', 'typ': 'JWT'})}.{b64(system.claims())}"
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.hashes import SHA384

    if isinstance(key, rsa.RSAPrivateKey):
        signature = key.sign(signed.encode(), PKCS1v15(), SHA384())
    else:
        r, s = decode_dss_signature(key.sign(signed.encode(), ec.ECDSA(SHA384())))
        signature = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    answer = await http.post(URL, data=form(f"{signed}.{b64(signature)}"))
    assert (answer.status_code, answer.content) == (400, THE_ANSWER)


async def test_a_client_that_was_disabled_or_speaks_for_another_is_refused(
    http: httpx.AsyncClient, quiet_house: House, system: System
) -> None:
    shut_out = await registered(quiet_house, active=False)
    for sent in (form(shut_out.good()), form(system.good(), client_id=shut_out.id)):
        answer = await http.post(URL, data=sent)
        assert (answer.status_code, answer.content) == (400, THE_ANSWER)
    both = await http.post(URL, data=form(system.good()), headers={"Authorization": "Basic eDp5"})
    assert (both.status_code, both.content) == (400, THE_ANSWER)


async def test_an_assertion_counts_once_even_with_its_signature_turned_over(
    http: httpx.AsyncClient, system: System
) -> None:
    assertion = system.good()
    signed, _, signature = assertion.rpartition(".")
    raw_ = base64.urlsafe_b64decode(signature)
    turned = raw_[:48] + (ORDER_OF_P384 - int.from_bytes(raw_[48:], "big")).to_bytes(48, "big")
    assert (await http.post(URL, data=form(assertion))).status_code == 200
    for again in (assertion, f"{signed}.{b64(turned)}"):
        answer = await http.post(URL, data=form(again))
        assert (answer.status_code, answer.content) == (400, THE_ANSWER)


async def test_one_assertion_a_hundred_times_at_once_over_two_gateways_is_one_token(
    quiet_house: House, system: System
) -> None:
    assertion = system.good()
    async with browser(built(quiet_house.database)) as one, browser(built(quiet_house.database)) as two:
        got = await asyncio.gather(*((one, two)[n % 2].post(URL, data=form(assertion)) for n in range(100)))
    assert sorted(answer.status_code for answer in got) == [200] + [400] * 99
    async with browser(built(quiet_house.database)) as after_a_restart:
        assert (await after_a_restart.post(URL, data=form(assertion))).status_code == 400


# --- the form around it


@pytest.mark.parametrize(
    ("content", "kind", "status", "error"),
    [
        (
            "grant_type=password&username=x&password=y",
            "application/x-www-form-urlencoded",
            400,
            "unsupported_grant_type",
        ),
        ("", "application/x-www-form-urlencoded", 400, "unsupported_grant_type"),
        ("grant_type=a&grant_type=b", "application/x-www-form-urlencoded", 400, "invalid_request"),
        ("&".join(f"f{n}=1" for n in range(50)), "application/x-www-form-urlencoded", 400, "invalid_request"),
        ("grant_type=%ff%fe", "application/x-www-form-urlencoded", 400, "unsupported_grant_type"),
        ("{}", "application/json", 400, "invalid_request"),
        ("a=" + "x" * 1_000_000, "application/x-www-form-urlencoded", 413, "invalid_request"),
    ],
)
async def test_a_form_that_is_none_is_answered_as_oauth_has_it(
    http: httpx.AsyncClient, content: str, kind: str, status: int, error: str
) -> None:
    answer = await http.post(URL, content=content, headers={"Content-Type": kind})
    assert (answer.status_code, answer.json()["error"]) == (status, error)


@pytest.mark.parametrize("scope", ["", "system/Patient.rs", "user/*.rs", "openid", "system/Task.cud", "x" * 9000])
async def test_nothing_that_was_given_is_no_token(http: httpx.AsyncClient, system: System, scope: str) -> None:
    answer = await http.post(URL, data=form(system.good(), scope=scope))
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_scope")


def test_the_token_says_what_was_granted_and_nothing_of_anybody() -> None:
    from gateway.access.keyring import Keyring
    from gateway.access.tokens import Tokens

    token = Tokens(Keyring.open(None), BASE).mint("clinic", "c", frozenset({"system/Task.rs"}))
    claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    assert set(claims) == {"iss", "aud", "sub", "client_id", "tenant", "scope", "iat", "exp", "jti"}

"""The local OpenID provider: a real child, found by discovery, and a gateway that believes its signatures and nothing
else."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import secrets
import signal
import sys
import time
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from fastapi import APIRouter, FastAPI, Request

from care.directory import Directory, Person
from continuum.embedded.folder import Folder
from continuum.embedded.ports import free_port
from continuum.embedded.sign_in.child import access_environment
from continuum.embedded.sign_in.issuing import KID, Issuer, issuer_of
from continuum.embedded.sign_in.page import people_page
from continuum.embedded.supervisor import worker_environment
from continuum.settings import Settings
from gateway import answers
from gateway.access import guard
from gateway.access.caller import CallerRole
from gateway.access.policy import policy
from gateway.access.settings import AccessSettings, OidcSettings
from gateway.context import Gateway, GatewaySettings, LazyTemporal
from records import directory as stored
from tests.conftest import House

BASE = "https://continuum.example"
BACK = f"{BASE}/signed-in"
VERIFIER = secrets.token_urlsafe(48)
CHALLENGE = urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
ASKED = {
    "client_id": "continuum",
    "redirect_uri": BACK,
    "response_type": "code",
    "scope": "openid email",
    "state": "s-1",
    "nonce": "n-1",
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
}

router = APIRouter()
EVERYBODY: tuple[CallerRole, ...] = ("coordinator", "therapist", "physician", "author", "auditor", "operator")


@router.get("/me")
@policy(roles=EVERYBODY)
async def me(request: Request) -> dict[str, Any]:
    caller = guard.caller_of(request)
    return {"id": caller.id, "roles": sorted(caller.roles), "email": caller.email, "tenant": caller.tenant}


@dataclass
class Provided:
    """A provider that runs."""

    issuer: Issuer
    http: httpx.AsyncClient
    settings: Settings

    @property
    def access(self) -> AccessSettings:
        """As the stack's gateway has it, and with patience for many forged tokens."""
        return replace(self.settings.access(), failures_per_minute=10_000)


@pytest.fixture(scope="module")
async def provider(quiet_house: House) -> AsyncIterator[Provided]:
    folder, port = quiet_house.stack.folder, free_port(avoid=[])
    ready = folder.run / "test-sign-in.ready"
    environment = {
        **os.environ,
        **worker_environment(quiet_house.stack.stack, folder),
        "CONTINUUM_READY_FILE": str(ready),
    }
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "continuum.embedded.sign_in", str(folder.root), str(port), BASE, env=environment
    )
    try:
        for _ in range(1500):
            if ready.exists() or child.returncode is not None:
                break
            await asyncio.sleep(0.02)
        assert child.returncode is None
        with pytest.MonkeyPatch.context() as patch:
            for name, value in access_environment(folder, port).items():
                patch.setenv(name, value)
            settings = Settings()
        issuer = issuer_of(Folder(folder.root))
        async with httpx.AsyncClient(base_url=issuer.url, follow_redirects=False) as http:
            yield Provided(issuer, http, settings)
    finally:
        child.send_signal(signal.SIGTERM)
        assert await child.wait() == 0


def gateway_app(house: House, access: AccessSettings, tenant: str = "clinic") -> FastAPI:
    gateway = Gateway(house.database, LazyTemporal(), GatewaySettings(tenant=tenant, base_url=BASE, access=access))
    app = FastAPI(openapi_url=None)
    app.state.gateway = gateway
    answers.install(app)
    app.include_router(router)
    guard.install(app, gateway)
    return app


async def asked_who(app: FastAPI, token: str) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE) as http:
        return await http.get("/me", headers={"Authorization": f"Bearer {token}"})


async def code_for(provider: Provided, person: str) -> str:
    answer = await provider.http.post("/authorize", data={**ASKED, "person": person})
    assert answer.status_code == 303
    back = urlsplit(answer.headers["Location"])
    assert f"{back.scheme}://{back.netloc}{back.path}" == BACK
    query = parse_qs(back.query)
    assert query["state"] == ["s-1"]
    return query["code"][0]


def exchange(code: str, **changed: str) -> dict[str, str]:
    return {
        "grant_type": "authorization_code",
        "code": code,
        "client_id": "continuum",
        "redirect_uri": BACK,
        "code_verifier": VERIFIER,
        **changed,
    }


async def test_somebody_is_chosen_and_gets_in(provider: Provided, quiet_house: House) -> None:
    """As an application would do it: discovery, page, code, token, and with it to the gateway."""
    found = (await provider.http.get("/.well-known/openid-configuration")).json()
    page = await provider.http.get(found["authorization_endpoint"], params=ASKED)
    assert page.status_code == 200
    assert "no password" in page.text
    assert re.findall(r"<button name=person value='([^']+)'>Theo Therapist<", page.text) == ["p-therapist"]
    code = await code_for(provider, "p-therapist")
    got = (await provider.http.post(found["token_endpoint"], data=exchange(code))).json()
    said = jwt.decode(got["id_token"], options={"verify_signature": False})
    assert (said["sub"], said["nonce"], said["aud"]) == ("p-therapist", "n-1", "continuum")
    about = await provider.http.get(
        found["userinfo_endpoint"], headers={"Authorization": f"Bearer {got['access_token']}"}
    )
    assert about.json()["name"] == "Theo Therapist"
    answer = await asked_who(gateway_app(quiet_house, provider.access), got["access_token"])
    assert answer.json() == {
        "id": "p-therapist",
        "roles": ["therapist"],
        "email": "therapist@clinic.example",
        "tenant": "clinic",
    }


async def test_a_code_counts_once_and_for_whoever_asked(provider: Provided) -> None:
    code = await code_for(provider, "p-therapist")
    assert (await provider.http.post("/token", data=exchange(code))).status_code == 200
    assert (await provider.http.post("/token", data=exchange(code))).json() == {"error": "invalid_grant"}
    for changed in ({"code_verifier": "x" * 43}, {"redirect_uri": BASE}, {"client_id": "other"}):
        code = await code_for(provider, "p-therapist")
        answer = await provider.http.post("/token", data=exchange(code, **changed))
        assert (answer.status_code, answer.json()) == (400, {"error": "invalid_grant"})


@pytest.mark.parametrize(
    ("changed", "status", "error"),
    [
        ({"redirect_uri": "https://evil.example/x"}, 400, None),
        ({"redirect_uri": f"{BASE}@evil.example/"}, 400, None),
        ({"redirect_uri": f"{BASE}.evil.example/"}, 400, None),
        ({"redirect_uri": "javascript:alert(1)"}, 400, None),
        ({"client_id": "other"}, 400, None),
        ({"response_type": "token"}, 303, "unsupported_response_type"),
        ({"code_challenge_method": "plain"}, 303, "invalid_request"),
        ({"scope": "email"}, 303, "invalid_scope"),
    ],
)
async def test_who_asks_wrongly_is_told_and_led_nowhere_else(
    provider: Provided, changed: dict[str, str], status: int, error: str | None
) -> None:
    for answer in (
        await provider.http.get("/authorize", params={**ASKED, **changed}),
        await provider.http.post("/authorize", data={**ASKED, **changed, "person": "p-therapist"}),
    ):
        assert answer.status_code == status
        if error is not None:
            assert parse_qs(urlsplit(answer.headers["Location"]).query)["error"] == [error]
        else:
            assert "evil" not in answer.text


async def test_a_name_from_elsewhere_is_not_answered(provider: Provided) -> None:
    assert (await provider.http.get("/", headers={"Host": "evil.example"})).status_code == 400


def test_names_are_text_on_the_page() -> None:
    mallory = Person(id="p-m", name="<script>'x'</script>", email=None, roles=("therapist",))
    page = people_page([mallory], {"state": "'><script>"})
    assert "<script>" not in page


# --- what each role of the directory may act as


@pytest.mark.parametrize(
    ("person", "roles"),
    [
        ("p-coordinator", ["coordinator"]),
        ("p-therapist", ["therapist"]),
        ("p-lead", ["coordinator", "therapist"]),
        ("p-on-call", ["therapist"]),
        ("p-surgeon", ["physician"]),
        ("p-physician", ["physician"]),
        ("p-author", ["author"]),
        ("p-auditor", ["auditor"]),
        ("p-operator", ["operator"]),
    ],
)
async def test_everybody_of_the_example_acts_as_the_directory_says(
    provider: Provided, quiet_house: House, person: str, roles: list[str]
) -> None:
    directory = await stored.load(quiet_house.database, "clinic")
    token = provider.issuer.token(directory.person(person) or pytest.fail(person))
    answer = await asked_who(gateway_app(quiet_house, provider.access), token)
    assert answer.json()["roles"] == roles


async def test_whoever_is_not_in_the_directory_does_not_get_in(provider: Provided, quiet_house: House) -> None:
    app = gateway_app(quiet_house, provider.access)
    stranger = Person(id="p-stranger", name="Stranger", email="therapist@clinic.example", roles=("therapist",))
    answer = await asked_who(app, provider.issuer.token(stranger))
    assert answer.status_code == 403
    assert "tranger" not in answer.text


async def test_whoever_leaves_the_directory_is_out(provider: Provided, quiet_house: House) -> None:
    tenant = f"t{uuid4().hex[:8]}"
    anna = Person(id="p-anna", name="Anna", email="anna@clinic.example", roles=("auditor",))
    clinics = (await stored.load(quiet_house.database, "clinic")).clinics
    moved = tuple(c.model_copy(update={"tenant": tenant, "lead": "p-anna"}) for c in clinics)
    token = provider.issuer.token(anna)

    async def become(people: tuple[Person, ...]) -> int:
        await stored.change(quiet_house.database, tenant, "test", lambda _: Directory(clinics=moved, people=people))
        return (await asked_who(gateway_app(quiet_house, provider.access, tenant), token)).status_code

    assert await become((anna,)) == 200
    assert await become((anna.model_copy(update={"roles": ()}),)) == 403
    assert await become(()) == 403


FORGED: dict[str, Callable[[Issuer, Person], str]] = {
    "signed by another": lambda i, p: Issuer(i.url, ec.generate_private_key(ec.SECP256R1())).token(p),
    "of another issuer": lambda i, p: Issuer("http://127.0.0.1:1", i.key).token(p),
    "expired": lambda i, p: i.token(p, now=time.time() - 1000),
    "issued tomorrow": lambda i, p: i.token(p, now=time.time() + 86_400),
    "for another application": lambda i, _: _with(i, aud="other"),
    "without an audience": lambda i, _: _with(i, aud=None),
    "without an end": lambda i, _: _with(i, exp=None),
    "under another key's name": lambda i, _: _with(i, headers={"kid": "other"}),
    "of another kind": lambda i, _: _with(i, headers={"kid": KID, "typ": "logout+jwt"}),
    "with a critical header": lambda i, _: _with(i, headers={"kid": KID, "crit": ["x"], "x": 1}),
    "by another algorithm": lambda i, _: jwt.encode(
        _right(i), ec.generate_private_key(ec.SECP384R1()), algorithm="ES384", headers={"kid": KID}
    ),
    "by a shared secret": lambda i, _: jwt.encode(_right(i), "k" * 64, algorithm="HS256", headers={"kid": KID}),
}


def _right(issuer: Issuer) -> dict[str, Any]:
    now = int(time.time())
    return {"iss": issuer.url, "aud": "continuum", "sub": "p-therapist", "iat": now, "exp": now + 300}


def _with(issuer: Issuer, headers: dict[str, Any] | None = None, **changed: Any) -> str:
    said = {name: value for name, value in {**_right(issuer), **changed}.items() if value is not None}
    return jwt.encode(said, issuer.key, algorithm="ES256", headers=headers or {"kid": KID})


@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED.keys())
async def test_a_forged_token_is_none(
    provider: Provided, quiet_house: House, forge: Callable[[Issuer, Person], str]
) -> None:
    directory = await stored.load(quiet_house.database, "clinic")
    person = directory.person("p-therapist")
    assert person is not None
    answer = await asked_who(gateway_app(quiet_house, provider.access), forge(provider.issuer, person))
    assert answer.status_code == 401


async def test_by_address_only_a_verified_one_counts(provider: Provided, quiet_house: House) -> None:
    oidc = OidcSettings(issuer=provider.issuer.url, audience="continuum", person_claim="email")
    app = gateway_app(quiet_house, AccessSettings(oidc=oidc))
    email = "Therapist@Clinic.example"
    for verified, status in ((True, 200), (False, 403), ("true", 403), (None, 403)):
        token = _with(provider.issuer, sub="0b5e-uuid", email=email, email_verified=verified)
        answer = await asked_who(app, token)
        assert answer.status_code == status
        if status == 200:
            assert answer.json()["id"] == "p-therapist"


async def test_a_provider_that_does_not_answer_is_not_the_callers_fault(provider: Provided, quiet_house: House) -> None:
    gone = Issuer("http://127.0.0.1:9", provider.issuer.key)
    app = gateway_app(quiet_house, AccessSettings(oidc=OidcSettings(issuer=gone.url, audience="continuum")))
    answer = await asked_who(app, _with(gone))
    assert answer.status_code == 503
    assert answer.headers["Retry-After"]


async def test_another_issuers_document_is_not_believed(provider: Provided, quiet_house: House) -> None:
    """OpenID Connect Discovery 4.3: found at this address, and it says that it is another."""
    port = urlsplit(provider.issuer.url).port
    assert port is not None
    other = Issuer(f"http://localhost:{port}", provider.issuer.key)
    oidc = OidcSettings(other.url, "continuum", person_claim="sub", algorithms=("ES256",))
    both = frozenset({("127.0.0.1", port), ("localhost", port)})
    app = gateway_app(quiet_house, AccessSettings(oidc=oidc, allowed_private=both))
    assert (await asked_who(app, _with(other))).status_code == 503

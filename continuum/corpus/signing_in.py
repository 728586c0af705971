"""The corpus signs in as any system does: a registered key, an assertion, a token."""

from __future__ import annotations

import json
import secrets
import time

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from records import clients
from records.clients import RegisteredClient
from records.database import Database

CLIENT = "corpus"
KID = "corpus-key"
SCOPES = "system/*.cruds"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


async def registered(database: Database, tenant: str) -> ec.EllipticCurvePrivateKey:
    """Registers the corpus as a system; its key."""
    key = ec.generate_private_key(ec.SECP384R1())
    public = json.loads(ECAlgorithm.to_jwk(key.public_key()))
    jwks = {"keys": [{**public, "kid": KID, "alg": "ES384", "use": "sig"}]}
    client = RegisteredClient(tenant=tenant, id=CLIENT, name="Corpus of samples", scopes=SCOPES, jwks=jwks)
    await clients.add(database, client)
    return key


async def token_for(client: httpx.AsyncClient, key: ec.EllipticCurvePrivateKey) -> str:
    """A token of the gateway's. Raises httpx.HTTPStatusError."""
    url = (await client.get("/.well-known/smart-configuration")).raise_for_status().json()["token_endpoint"]
    now = int(time.time())
    claims = {"iss": CLIENT, "sub": CLIENT, "aud": url, "exp": now + 240, "jti": secrets.token_hex(16)}
    assertion = jwt.encode(claims, key, algorithm="ES384", headers={"kid": KID})
    response = await client.post(
        url,
        data={
            "grant_type": "client_credentials",
            "scope": SCOPES,
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": assertion,
        },
    )
    return str(response.raise_for_status().json()["access_token"])

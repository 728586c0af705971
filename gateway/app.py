"""The gateway's HTTP application: every interface, one guard in front of all of them."""

from __future__ import annotations

from functools import partial

from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig

from gateway import answers, health
from gateway.access import guard, oauth
from gateway.access.edge import Edge
from gateway.context import Gateway
from gateway.direct import DirectlyReached
from gateway.fhir_server import routes as fhir_reading
from gateway.fhir_server.subscriptions import routes as subscriptions
from gateway.fhir_server.writing import routes as fhir_writing
from gateway.staff import routes as staff
from gateway.staff.pages import answering, start

TITLE = "Continuum"
NOT_ITS_OWN: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}
"""FastAPI writes paths and queries as they were sent into its spans, and its logs hold exceptions: patients' data. With
variables that others set for a whole machine it would begin by itself. Ours are in `continuum/tracing`."""


def create_app(gateway: Gateway) -> FastAPI:
    """Build it. Raises RuntimeError naming the routes to which nobody gave a policy, and KeyFileWrong."""
    app = DirectlyReached(
        title=TITLE,
        summary="Referrals and care pathways for rehabilitation providers.",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        telemetry=NOT_ITS_OWN,
    )
    app.state.gateway = gateway
    answers.install(app)
    # Routes are tried in this order, each for some microseconds: what is asked most often comes first.
    app.include_router(fhir_writing.router)
    app.include_router(health.router)
    app.include_router(oauth.router)
    app.include_router(subscriptions.router)
    app.include_router(fhir_reading.router)
    app.include_router(staff.router)
    app.include_router(answering.router)
    app.include_router(start.router)
    guard.install(app, gateway)  # last: it stands in front of what is there
    app.reach_directly(fhir_writing.router.routes, partial(Edge, https=guard.is_https(gateway)))
    return app

"""The least that takes a referral in: FastAPI and asyncpg, one insert of the bytes, served as the gateway is."""

from __future__ import annotations

import asyncio
import os
import signal
from uuid import uuid4

import asyncpg
from fastapi import FastAPI, Request
from starlette.responses import Response

from continuum.embedded.ready import touch_ready_file
from continuum.settings import Settings
from gateway.serving import Address, serve_http

TABLE = "create table if not exists bench_raw (id uuid primary key, raw bytea not null)"
PORT = "BENCH_PORT"


def application(pool: asyncpg.Pool) -> FastAPI:
    """One route."""
    app = FastAPI(openapi_url=None)

    @app.post("/fhir/ServiceRequest")
    async def take(request: Request) -> Response:
        await pool.execute("insert into bench_raw (id, raw) values ($1, $2)", uuid4(), await request.body())
        return Response(status_code=201)

    return app


async def _main() -> None:
    settings, stop = Settings(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    pool = await asyncpg.create_pool(
        settings.database_url,
        password=settings.database_password(),
        min_size=1,
        max_size=settings.database_connections,
    )
    address = Address("127.0.0.1", int(os.environ[PORT]))
    await serve_http(application(pool), address, stop=stop, listening=touch_ready_file)
    await pool.close()


if __name__ == "__main__":
    asyncio.run(_main())

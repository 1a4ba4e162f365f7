from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from bench.apps import answers


async def small(_: Request) -> Response:
    response = Response(answers.SMALL, media_type="application/json", headers=answers.FIELDS)
    response.headers.append("set-cookie", answers.COOKIE)
    return response


async def catalogue(_: Request) -> Response:
    return Response(answers.catalogue(), media_type="application/json", headers=answers.FIELDS)


async def form(request: Request) -> Response:
    fields = {name: str(value) for name, value in (await request.form()).items()}
    return Response(answers.form(fields), 201, media_type="application/json", headers=answers.FIELDS)


async def echo(request: Request) -> Response:
    return Response(await request.body(), media_type=request.headers["content-type"], headers=answers.FIELDS)


async def wait(_: Request) -> Response:
    await asyncio.sleep(answers.PAUSE)
    return Response(answers.SMALL, media_type="application/json", headers=answers.FIELDS)


async def stream(_: Request) -> Response:
    return _streaming(_blocks(answers.BLOCK, answers.BLOCKS, 0))


async def pause(_: Request) -> Response:
    return _streaming(_blocks(answers.BEGINNING, 2, answers.PAUSE))


async def _blocks(block: bytes, count: int, pause: float) -> AsyncIterator[bytes]:
    for at in range(count):
        if at and pause:
            await asyncio.sleep(pause)
        yield block


def _streaming(blocks: AsyncIterator[bytes]) -> Response:
    return StreamingResponse(blocks, media_type="application/octet-stream", headers=answers.FIELDS)


app = Starlette(
    routes=[
        Route("/small", small),
        Route("/catalogue", catalogue),
        Route("/form", form, methods=["POST"]),
        Route("/echo", echo, methods=["POST"]),
        Route("/wait", wait),
        Route("/stream", stream),
        Route("/pause", pause),
    ]
)

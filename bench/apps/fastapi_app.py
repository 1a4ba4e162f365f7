from __future__ import annotations

from fastapi import FastAPI, Response

from bench.apps import answers

app = FastAPI()


@app.get("/small")
async def small() -> Response:
    response = Response(answers.SMALL, media_type="application/json", headers=answers.FIELDS)
    response.headers.append("set-cookie", answers.COOKIE)
    return response

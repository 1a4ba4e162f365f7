"""Notes: a small FastAPI app with a bit of everything that web apps do."""

import asyncio
import hashlib
import itertools
import os
import random
import signal
import tempfile
from pathlib import Path
from typing import Annotated

import logs
import structlog
from fastapi import BackgroundTasks, Cookie, FastAPI, Form, HTTPException, Request, Response, UploadFile
from fastapi.responses import FileResponse, JSONResponse, PlainTextResponse, RedirectResponse, StreamingResponse
from fastapi.staticfiles import StaticFiles
from fastapi.templating import Jinja2Templates
from pydantic import BaseModel
from starlette.exceptions import HTTPException as StarletteHTTPException

logs.configure()
log = structlog.get_logger("notes")

HERE = Path(__file__).parent
app = FastAPI(title="Notes")
app.add_middleware(logs.RequestId)
app.mount("/static", StaticFiles(directory=HERE / "static"), name="static")
templates = Jinja2Templates(
    directory=HERE / "templates",
    context_processors=[lambda request: {"root": request.scope["root_path"], "framework": "FastAPI"}],
)


class NewNote(BaseModel):
    author: str
    text: str


class Note(NewNote):
    id: int


files = Path(tempfile.mkdtemp(prefix="notes-"))
notes = {
    1: Note(id=1, author="Ada", text="The engine weaves algebraic patterns."),
    2: Note(id=2, author="Grace", text="Naïve café, 日本語: any text is welcome."),
}
note_ids = itertools.count(3)
job_ids = itertools.count(1)


@app.get("/", include_in_schema=False)
async def index(request: Request):
    return templates.TemplateResponse(request, "index.html")


@app.get("/health")
async def health():
    return {"status": "ok"}


# --- notes: a page with a form, and the same as an API ----------------------------------------------------------------


def add_note(new: NewNote) -> Note:
    note = Note(id=next(note_ids), **new.model_dump())
    notes[note.id] = note
    log.info("a new note", note=note.id, author=note.author)
    return note


@app.get("/notes", include_in_schema=False)
async def notes_page(request: Request, author: Annotated[str, Cookie()] = ""):
    return templates.TemplateResponse(request, "notes.html", {"notes": notes.values(), "author": author})


@app.post("/notes", include_in_schema=False)
async def leave_note(request: Request, new: Annotated[NewNote, Form()]):
    note = add_note(new)
    response = RedirectResponse(f"{request.scope['root_path']}/notes#note-{note.id}", status_code=303)
    response.set_cookie("author", note.author, max_age=30 * 24 * 3600, httponly=True, samesite="lax")
    return response


@app.get("/api/notes")
async def list_notes() -> list[Note]:
    return list(notes.values())


@app.post("/api/notes", status_code=201)
async def create_note(request: Request, response: Response, new: NewNote) -> Note:
    note = add_note(new)
    response.headers["Location"] = f"{request.scope['root_path']}/api/notes/{note.id}"
    return note


@app.get("/api/notes/{number}")
async def read_note(number: int) -> Note:
    if number not in notes:
        raise HTTPException(404, "no such note")
    return notes[number]


@app.delete("/api/notes/{number}", status_code=204)
async def delete_note(number: int) -> None:
    notes.pop(number, None)


# --- files ------------------------------------------------------------------------------------------------------------


@app.get("/files", include_in_schema=False)
async def files_page(request: Request):
    return templates.TemplateResponse(request, "files.html", {"names": sorted(os.listdir(files))})


@app.post("/files", status_code=201)
async def upload(request: Request, response: Response, file: UploadFile):
    name = Path(file.filename or "").name
    if not name:
        raise HTTPException(400, "the file has no name")
    content = await file.read()
    (files / name).write_bytes(content)
    log.info("a new file", name=name, size=len(content))
    response.headers["Location"] = f"{request.scope['root_path']}/files/{name}"
    return {"name": name, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}


@app.get("/files/{name}")
async def download(name: str):
    path = files / Path(name).name
    if not path.is_file():
        raise HTTPException(404, "no such file")
    return FileResponse(path, filename=path.name)


@app.get("/bytes/{size}")
async def some_bytes(size: int):
    content = random.Random(size).randbytes(min(size, 20_000_000))
    return Response(content, media_type="application/octet-stream")


# --- cookies, streams, time -------------------------------------------------------------------------------------------


@app.get("/visits")
async def visits(visits: Annotated[int, Cookie()] = 0):
    response = PlainTextResponse(f"This is your visit number {visits + 1}.\n")
    response.set_cookie("visits", str(visits + 1), max_age=365 * 24 * 3600, samesite=None)
    response.set_cookie("greeted", "yes", httponly=True, samesite="strict")
    return response


@app.get("/lines")
async def lines():
    async def produce():
        for number in range(1, 11):
            yield f"line {number} of 10\n"
            await asyncio.sleep(0.1)

    return StreamingResponse(produce(), media_type="text/plain")


@app.get("/events")
async def events(count: int = 5, pause: float = 0.1):
    count = min(count, 1_000)

    async def produce():
        for number in range(1, count + 1):
            yield f"id: {number}\ndata: event {number} of {count}\n\n"
            await asyncio.sleep(pause)
        yield "event: end\ndata: bye\n\n"

    return StreamingResponse(produce(), media_type="text/event-stream", headers={"Cache-Control": "no-cache"})


@app.get("/slow")
async def slow(seconds: float = 1.0):
    seconds = min(seconds, 60)
    log.info("sleeping", seconds=seconds)
    await asyncio.sleep(seconds)
    return {"slept": seconds}


@app.post("/jobs", status_code=202)
async def start_job(background: BackgroundTasks):
    job = next(job_ids)
    background.add_task(work, job)
    return {"job": job}


async def work(job: int) -> None:
    for step in range(1, 4):
        await asyncio.sleep(0.1)
        log.info(f"job {job}: step {step} of 3", job=job, step=step)


# --- for the curious --------------------------------------------------------------------------------------------------


@app.api_route("/echo", methods=["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"], include_in_schema=False)
@app.api_route(
    "/echo/{_rest:path}", methods=["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"], include_in_schema=False
)
async def echo(request: Request):
    body = await request.body()
    root = request.scope["root_path"]
    return {
        "method": request.method,
        "url": str(request.url),
        "root": root,
        "path": request.scope["path"].removeprefix(root),
        "query": request.url.query,
        "arguments": {name: request.query_params.getlist(name) for name in request.query_params},
        "headers": {name: ", ".join(request.headers.getlist(name)) for name in request.headers},
        "cookies": request.cookies,
        "client": request.client.host if request.client else None,
        "size": len(body),
        "sha256": hashlib.sha256(body).hexdigest(),
        "text": body.decode("utf-8", "replace")[:10_000],
    }


@app.get("/redirect", include_in_schema=False)
async def go_on(request: Request):
    return RedirectResponse(f"{request.scope['root_path']}/notes", status_code=302)


@app.get("/crash")
async def crash():
    log.warning("about to crash")
    raise RuntimeError("this view always crashes")


@app.post("/kill")
async def kill():
    log.warning("about to be killed")
    os.kill(os.getpid(), signal.SIGKILL)


@app.exception_handler(StarletteHTTPException)
async def http_error(request: Request, error: StarletteHTTPException):
    if error.status_code == 404 and "text/html" in request.headers.get("accept", ""):
        path = request.scope["path"].removeprefix(request.scope["root_path"])
        return templates.TemplateResponse(request, "not_found.html", {"path": path}, status_code=404)
    return JSONResponse({"error": error.detail}, error.status_code, error.headers)

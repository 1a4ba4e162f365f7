"""Notes: a small Flask app with a bit of everything that web apps do."""

import hashlib
import itertools
import logging
import os
import random
import signal
import tempfile
import threading
import time

from flask import Flask, Response, abort, redirect, render_template, request, send_file, url_for
from werkzeug.utils import secure_filename

logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
log = logging.getLogger("notes")

app = Flask(__name__)
files = tempfile.mkdtemp(prefix="notes-")
notes = {
    1: {"id": 1, "author": "Ada", "text": "The engine weaves algebraic patterns."},
    2: {"id": 2, "author": "Grace", "text": "Naïve café, 日本語: any text is welcome."},
}
note_ids = itertools.count(3)
job_ids = itertools.count(1)


@app.context_processor
def common():
    return {"root": request.script_root, "framework": "Flask"}


@app.get("/")
def index():
    return render_template("index.html")


@app.get("/health")
def health():
    return {"status": "ok"}


# --- notes: a page with a form, and the same as an API ----------------------------------------------------------------


def add_note(author, text):
    note = {"id": next(note_ids), "author": author, "text": text}
    notes[note["id"]] = note
    log.info("note %d by %s", note["id"], author)
    return note


@app.get("/notes")
def notes_page():
    return render_template("notes.html", notes=list(notes.values()), author=request.cookies.get("author", ""))


@app.post("/notes")
def leave_note():
    note = add_note(request.form["author"], request.form["text"])
    response = redirect(url_for("notes_page", _anchor=f"note-{note['id']}"), code=303)
    response.set_cookie("author", note["author"], max_age=30 * 24 * 3600, httponly=True, samesite="Lax")
    return response


@app.get("/api/notes")
def list_notes():
    return list(notes.values())


@app.post("/api/notes")
def create_note():
    posted = request.get_json()
    if not isinstance(posted, dict) or not all(isinstance(posted.get(key), str) for key in ("author", "text")):
        return {"error": "a note has an author and a text"}, 422
    note = add_note(posted["author"], posted["text"])
    return note, 201, {"Location": url_for("read_note", number=note["id"])}


@app.get("/api/notes/<int:number>")
def read_note(number):
    if number not in notes:
        return {"error": "no such note"}, 404
    return notes[number]


@app.delete("/api/notes/<int:number>")
def delete_note(number):
    notes.pop(number, None)
    return "", 204


# --- files ------------------------------------------------------------------------------------------------------------


@app.get("/files")
def files_page():
    return render_template("files.html", names=sorted(os.listdir(files)))


@app.post("/files")
def upload():
    uploaded = request.files["file"]
    name = secure_filename(uploaded.filename) or abort(400)
    content = uploaded.read()
    with open(os.path.join(files, name), "wb") as file:
        file.write(content)
    log.info("received %s of %d bytes", name, len(content))
    document = {"name": name, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    return document, 201, {"Location": url_for("download", name=name)}


@app.get("/files/<name>")
def download(name):
    path = os.path.join(files, secure_filename(name) or abort(404))
    if not os.path.isfile(path):
        abort(404)
    return send_file(path, as_attachment=True, download_name=name)


@app.get("/bytes/<int:size>")
def some_bytes(size):
    content = random.Random(size).randbytes(min(size, 20_000_000))
    return Response(content, mimetype="application/octet-stream")


# --- cookies, streams, time -------------------------------------------------------------------------------------------


@app.get("/visits")
def visits():
    count = int(request.cookies.get("visits", 0)) + 1
    response = Response(f"This is your visit number {count}.\n", mimetype="text/plain")
    response.set_cookie("visits", str(count), max_age=365 * 24 * 3600)
    response.set_cookie("greeted", "yes", httponly=True, samesite="Strict")
    return response


@app.get("/lines")
def lines():
    def produce():
        for number in range(1, 11):
            yield f"line {number} of 10\n"
            time.sleep(0.1)

    return Response(produce(), mimetype="text/plain")


@app.get("/events")
def events():
    count = min(request.args.get("count", 5, type=int), 1_000)
    pause = request.args.get("pause", 0.1, type=float)

    def produce():
        for number in range(1, count + 1):
            yield f"id: {number}\ndata: event {number} of {count}\n\n"
            time.sleep(pause)
        yield "event: end\ndata: bye\n\n"

    return Response(produce(), mimetype="text/event-stream", headers={"Cache-Control": "no-cache"})


@app.get("/slow")
def slow():
    seconds = min(request.args.get("seconds", 1.0, type=float), 60)
    log.info("sleeping for %g s", seconds)
    time.sleep(seconds)
    return {"slept": seconds}


@app.post("/jobs")
def start_job():
    job = next(job_ids)
    threading.Thread(target=work, args=[job]).start()
    return {"job": job}, 202


def work(job):
    for step in range(1, 4):
        time.sleep(0.1)
        log.info("job %d: step %d of 3", job, step)


# --- for the curious --------------------------------------------------------------------------------------------------


@app.route("/echo", methods=["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
@app.route("/echo/<path:_rest>", methods=["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def echo(_rest=""):
    return {
        "method": request.method,
        "url": request.url,
        "root": request.script_root,
        "path": request.path,
        "query": request.query_string.decode("latin-1"),
        "arguments": request.args.to_dict(flat=False),
        "headers": {name.lower(): value for name, value in request.headers.items()},
        "cookies": request.cookies,
        "client": request.remote_addr,
        "size": len(request.get_data()),
        "sha256": hashlib.sha256(request.get_data()).hexdigest(),
        "text": request.get_data().decode("utf-8", "replace")[:10_000],
    }


@app.get("/redirect")
def go_on():
    return redirect(url_for("notes_page"))


@app.get("/crash")
def crash():
    log.warning("about to crash")
    raise RuntimeError("this view always crashes")


@app.post("/kill")
def kill():
    log.warning("about to be killed")
    os.kill(os.getpid(), signal.SIGKILL)


@app.errorhandler(404)
def not_found(_error):
    return render_template("not_found.html", path=request.path), 404

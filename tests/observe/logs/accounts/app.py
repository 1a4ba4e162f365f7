"""An app that logs as apps do: JSON lines with nested fields, plain lines, tracebacks; slow to start, and greedy."""

import json
import logging
import os
import signal
import time

from flask import Flask, request

time.sleep(float(os.environ.get("START_SECONDS", 0)))
app = Flask(__name__, static_folder=None)
PEOPLE = ("ada@example.com", "grace@example.org", "alan@mail.example.com", "edsger@example.com")


def log(level, message, **fields):
    print(json.dumps({"level": level, "message": message, **fields}))


@app.route("/login", methods=["GET", "POST"])
def login():
    person = int(request.args["person"])
    log("info", "user login", method=request.method, user={"email": PEOPLE[person], "id": person}, tags=["web", "beta"])
    return "welcome"


@app.post("/logout")
def logout():
    log("info", "user logout", method="POST", user={"email": PEOPLE[0], "id": 0})
    return "", 204


@app.route("/cart", methods=["GET", "POST", "PUT", "DELETE", "PATCH"])
def cart():
    log("debug", "cart changed", cart={"total": 15.99, "products": [{"name": "tea", "price": 4.5}, {"name": "pot"}]})
    return "x" * int(request.args.get("size", 10))


@app.get("/static/<path:name>")
def static_file(name):
    return "body {}" if name.endswith(".css") else ("", 404)


@app.get("/pay")
def pay():
    log("ERROR", "payment refused", user={"email": PEOPLE[1], "id": 1}, attempts=3, provider=None)
    log("WARNING", "falling back to invoice", user="grace")
    return "later", 503


@app.get("/broken")
def broken():
    logging.getLogger("accounts").warning("about to fail: login of nobody")
    raise ValueError("no such account")


@app.get("/slow")
def slow():
    time.sleep(float(request.args["seconds"]))
    return "done"


@app.get("/hang")
def hang():
    os.kill(os.getppid(), signal.SIGSTOP)  # the proxy, so that nobody answers in time
    return ""


@app.get("/greedy")
def greedy():
    held = b"x" * 400_000_000
    time.sleep(5)
    return str(len(held))


@app.get("/")
def index():
    return "accounts"

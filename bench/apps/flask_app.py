from __future__ import annotations

from flask import Flask, Response, request

from bench.apps import answers

app = Flask(__name__)


@app.get("/small")
def small() -> Response:
    response = Response(answers.SMALL, mimetype="application/json", headers=answers.FIELDS)
    response.headers.add("set-cookie", answers.COOKIE)
    return response


@app.get("/catalogue")
def catalogue() -> Response:
    return Response(answers.catalogue(), mimetype="application/json", headers=answers.FIELDS)


@app.post("/form")
def form() -> Response:
    return Response(answers.form(request.form.to_dict()), 201, mimetype="application/json", headers=answers.FIELDS)


@app.post("/echo")
def echo() -> Response:
    return Response(request.get_data(), mimetype=request.mimetype, headers=answers.FIELDS)

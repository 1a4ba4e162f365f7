"""The app is found in projects of many shapes, by reading them."""

import os
import subprocess
import sys

import pytest

from upproxy.config import ConfigError, load
from upproxy.config.inference import App

FLASK = "from flask import Flask\napp = Flask(__name__)\n"
FASTAPI = "from fastapi import FastAPI\napp = FastAPI()\n"
DJANGO = {
    "manage.py": 'import os\nos.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")\n',
    "mysite/__init__.py": "",
    "mysite/settings.py": 'WSGI_APPLICATION = "mysite.wsgi.application"\n',
    "mysite/wsgi.py": "from django.core.wsgi import get_wsgi_application\napplication = get_wsgi_application()\n",
    "mysite/asgi.py": "from django.core.asgi import get_asgi_application\napplication = get_asgi_application()\n",
}

FOUND = {
    # the frameworks
    "flask": ({"app.py": FLASK}, "Flask", "app:app", "waitress"),
    "fastapi": ({"main.py": FASTAPI}, "FastAPI", "main:app", "uvicorn"),
    "starlette": (
        {"main.py": "from starlette.applications import Starlette\napplication = Starlette()\n"},
        "Starlette", "main:application", "uvicorn",
    ),
    "quart": ({"app.py": "from quart import Quart\napp = Quart(__name__)\n"}, "Quart", "app:app", "uvicorn"),
    "litestar": ({"app.py": "from litestar import Litestar\napp = Litestar([])\n"}, "Litestar", "app:app", "uvicorn"),
    "bottle": ({"app.py": "import bottle\napp = bottle.default_app()\n"}, "Bottle", "app:app", "waitress"),
    "falcon": ({"app.py": "import falcon.asgi\napp = falcon.asgi.App()\n"}, "Falcon", "app:app", "uvicorn"),
    "django": (DJANGO, "Django", "mysite.wsgi:application", "waitress"),
    "django in a folder": (
        {f"web/{name}": text for name, text in DJANGO.items()}, "Django", "mysite.wsgi:application", "waitress",
    ),
    "flask with a manage.py": ({"manage.py": "import app\n", "app.py": FLASK}, "Flask", "app:app", "waitress"),
    "django without WSGI_APPLICATION": (
        DJANGO | {"mysite/settings.py": ""}, "Django", "mysite.wsgi:application", "waitress",
    ),
    "django with a settings package": (
        {
            "manage.py": 'import os\nos.environ.setdefault("DJANGO_SETTINGS_MODULE", "conf.settings.local")\n',
            "conf/settings/base.py": 'WSGI_APPLICATION = "web.entry.app"\n',
            "conf/settings/local.py": "from .base import *\n",
        },
        "Django", "web.entry:app", "waitress",
    ),
    "django with an ASGI server of its own": (
        DJANGO | {"requirements.txt": "django\nuvicorn[standard]==0.30.1\n"},
        "Django", "mysite.asgi:application", "uvicorn",
    ),
    "django with both servers": (
        DJANGO | {"requirements.txt": "gunicorn\nuvicorn\n"}, "Django", "mysite.wsgi:application", "gunicorn",
    ),
    "django with server in up.yml": (
        DJANGO | {"up.yml": "name: x\nserver: hypercorn\n"}, "Django", "mysite.asgi:application", "hypercorn",
    ),
    "plain wsgi.py": (
        {"wsgi.py": "def application(env, start):\n    return []\n"}, "WSGI", "wsgi:application", "waitress",
    ),
    "plain asgi.py": ({"asgi.py": "from somewhere import build\napp = build()\n"}, "ASGI", "asgi:app", "uvicorn"),
    "a function that is a WSGI app": (
        {"main.py": "def app(environ, start_response):\n    return []\n"}, "WSGI", "main:app", "waitress",
    ),
    "a function that is an ASGI app": (
        {"main.py": "async def app(scope, receive, send): ...\n"}, "ASGI", "main:app", "uvicorn",
    ),
    # ways to write it
    "import as": ({"app.py": "import flask as f\nweb = f.Flask('x')\n"}, "Flask", "app:web", "waitress"),
    "from import as": ({"app.py": "from fastapi import FastAPI as F\napp = F()\n"}, "FastAPI", "app:app", "uvicorn"),
    "inside if": (
        {"app.py": "from flask import Flask\nimport os\nif os.name:\n    app = Flask('x')\nelse:\n    app = None\n"},
        "Flask", "app:app", "waitress",
    ),
    "inside try": (
        {"app.py": "try:\n    from flask import Flask\n    app = Flask('x')\nexcept ImportError:\n    raise\n"},
        "Flask", "app:app", "waitress",
    ),
    "annotated": (
        {"app.py": "from flask import Flask\napp: 'Flask' = Flask('x')\n"}, "Flask", "app:app", "waitress",
    ),
    "subclass": (
        {"app.py": "import flask\nclass A(flask.Flask): ...\nclass B(A): ...\napp = B('x')\n"},
        "Flask", "app:app", "waitress",
    ),
    "subclass in another file": (
        {"base.py": "from flask import Flask\nclass Base(Flask): ...\n",
         "app.py": "from base import Base\napp = Base('x')\n"},
        "Flask", "app:app", "waitress",
    ),
    "middleware around it": (
        {"main.py": "from fastapi import FastAPI\nimport cors\ninner = FastAPI()\napp = cors.Cors(inner, '*')\n"},
        "FastAPI", "main:app", "uvicorn",
    ),
    "an adapter to the other interface": (
        {"main.py": "from flask import Flask\nfrom asgiref.wsgi import WsgiToAsgi\n"
                    "web = Flask('x')\napp = WsgiToAsgi(web)\n"},
        "ASGI", "main:app", "uvicorn",
    ),
    "an extension called api is none": (
        {"app.py": "from flask import Flask\nfrom flask_restx import Api\nweb = Flask('x')\napi = Api(web)\n"},
        "Flask", "app:web", "waitress",
    ),
    "a factory": (
        {"app.py": "from flask import Flask\ndef create_app(config=None):\n    it = Flask('x')\n    return it\n"},
        "Flask", "app:create_app()", "waitress",
    ),
    "a factory by its annotation": (
        {"main.py": "from fastapi import FastAPI\ndef create_app() -> FastAPI:\n    return build()\n"},
        "FastAPI", "main:create_app()", "uvicorn",
    ),
    "a factory in a package": (
        {"shop/__init__.py": "def create_app():\n    from flask import Flask\n    if 1:\n        return Flask('x')\n"},
        "Flask", "shop:create_app()", "waitress",
    ),
    "an object comes before a factory": (
        {"app.py": "from flask import Flask\ndef create_app():\n    return Flask('x')\n",
         "wsgi.py": "from app import create_app\napplication = create_app()\n"},
        "Flask", "wsgi:application", "waitress",
    ),
    "but not before one in a nearer folder": (
        {"app.py": "from flask import Flask\ndef create_app():\n    return Flask('x')\n", "tools/server.py": FLASK},
        "Flask", "app:create_app()", "waitress",
    ),
    "a factory that needs arguments is none": (
        {"app.py": "from flask import Flask\ndef create_app(config):\n    return Flask('x')\n",
         "run.py": "from app import create_app\nserver = create_app('x')\n"},
        "Flask", "run:server", "waitress",
    ),
    "an object of another file": (
        {"shop/__init__.py": "", "shop/core.py": FASTAPI, "main.py": "from shop.core import app\n"},
        "FastAPI", "main:app", "uvicorn",
    ),
    "a relative import": (
        {"shop/__init__.py": "from .core import app\n", "shop/core.py": FLASK}, "Flask", "shop:app", "waitress",
    ),
    "what only a script makes is none": (
        {"app.py": "from flask import Flask\ndef create_app():\n    return Flask('x')\n"
                   "if __name__ == '__main__':\n    app = create_app()\n    app.run()\n"},
        "Flask", "app:create_app()", "waitress",
    ),
    "names in preference": (
        {"app.py": "from flask import Flask\nadmin = Flask('a')\napi = Flask('b')\napplication = Flask('c')\n"},
        "Flask", "app:application", "waitress",
    ),
    # places
    "app/main.py": ({"app/main.py": FASTAPI}, "FastAPI", "app.main:app", "uvicorn"),
    "a broken file beside it": (
        {"app.py": "def (:\n", "main.py": FASTAPI, "api.py": "\0"}, "FastAPI", "main:app", "uvicorn",
    ),
    "modules that import each other": (
        {"app.py": "from main import app\n", "main.py": "from app import app\n", "web.py": FLASK},
        "Flask", "web:app", "waitress",
    ),
    "deep down": (
        {"services/__init__.py": "", "services/shop/__init__.py": "", "services/shop/http/__init__.py": "",
         "services/shop/http/frontend.py": FLASK},
        "Flask", "services.shop.http.frontend:app", "waitress",
    ),
    "not in tests and environments": (
        {"tests/app.py": FLASK, "node_modules/x/app.py": FLASK, ".hidden/app.py": FLASK, "e/pyvenv.cfg": "",
         "e/lib/app.py": FLASK, "z/odd.py": FASTAPI},
        "FastAPI", "z.odd:app", "uvicorn",
    ),
    # servers
    "gunicorn in pyproject.toml": (
        {"app.py": FLASK, "pyproject.toml": '[project]\nname = "x"\ndependencies = ["flask", "gunicorn>=22"]\n'},
        "Flask", "app:app", "gunicorn",
    ),
    "gunicorn in Poetry": (
        {"app.py": FLASK, "pyproject.toml": '[tool.poetry.dependencies]\ngunicorn = "^23"\n'},
        "Flask", "app:app", "gunicorn",
    ),
    "gunicorn in Pipfile": (
        {"app.py": FLASK, "Pipfile": '[packages]\ngunicorn = "*"\n'}, "Flask", "app:app", "gunicorn",
    ),
    "hypercorn in uv.lock": (
        {"app.py": FASTAPI, "uv.lock": '[[package]]\nname = "hypercorn"\nversion = "0.18.0"\n'},
        "FastAPI", "app:app", "hypercorn",
    ),
    "a server for development is none": (
        {"app.py": FLASK, "requirements-dev.txt": "gunicorn\n"}, "Flask", "app:app", "waitress",
    ),
    "a server of the other interface is none": (
        {"app.py": FASTAPI, "requirements.txt": "gunicorn\n"}, "FastAPI", "app:app", "uvicorn",
    ),
    "server in up.yml beside a Procfile": (
        {"app.py": FLASK, "Procfile": "web: ./serve\n", "up.yml": "name: x\nserver: waitress\n"},
        "Flask", "app:app", "waitress",
    ),
    "server in up.yml": (
        {"app.py": FLASK, "requirements.txt": "waitress\n", "up.yml": "name: x\nserver: gunicorn\n"},
        "Flask", "app:app", "gunicorn",
    ),
    # app in up.yml
    "app in up.yml": (
        {"odd/thing.py": FLASK, "app.py": FASTAPI, "up.yml": "name: x\napp: odd.thing:app\n"},
        "Flask", "odd.thing:app", "waitress",
    ),
    "app in up.yml, a factory of any name": (
        {"web.py": "from flask import Flask\ndef make():\n    return Flask('x')\n",
         "up.yml": "name: x\napp: web:make()\n"},
        "Flask", "web:make()", "waitress",
    ),
    "app in up.yml that only its server explains": (
        {"web.py": "app = object()\n", "up.yml": "name: x\napp: web:app\nserver: hypercorn\n"},
        "ASGI", "web:app", "hypercorn",
    ),
    "app in up.yml of an installed package": (
        {"up.yml": "name: x\napp: httpbin:app\nserver: waitress\n"}, "WSGI", "httpbin:app", "waitress",
    ),
}  # fmt: skip


def app_of(directory, **options) -> App:
    return load(str(directory), python=sys.executable, **options).app


@pytest.mark.parametrize("name", FOUND)
def test_found(name, write):
    files, framework, target, server = FOUND[name]
    app = app_of(write(files))
    assert (app.framework, app.target, app.server) == (framework, target, server)
    assert isinstance(app.command, list)
    assert sys.executable in app.command
    assert target in app.command
    assert target in app.found
    assert "`proxy: {command: …}`" in app.found


PROBE = """
import importlib, os, sys
sys.path[0] = os.getcwd()
_, fd, app = sys.argv
module, _, attribute = app.partition(":")
found = getattr(importlib.import_module(module), attribute)
print(type(found).__name__)
"""

ROOTED = {
    "src": ({"src/shop/__init__.py": "", "src/shop/web.py": "import shop.db\n" + FLASK, "src/shop/db.py": ""}, "src"),
    "src without a package": ({"src/main.py": "import db\n" + FLASK, "src/db.py": ""}, "src"),
    "backend": ({"backend/app/main.py": "from app.db import x\n" + FLASK, "backend/app/db.py": "x = 1\n"}, "backend"),
    "siblings": ({"server/app.py": "from models import x\n" + FLASK, "server/models.py": "x = 1\n"}, "server"),
    "no identifier": ({"my-shop/app.py": "import models\n" + FLASK, "my-shop/models.py": ""}, "my-shop"),
    "relative": ({"shop/app.py": "from . import models\n" + FLASK, "shop/models.py": ""}, None),
    "absolute": ({"shop/app.py": "from shop import models\n" + FLASK, "shop/models.py": ""}, None),
}


@pytest.mark.parametrize("name", ROOTED)
def test_imported_from_the_right_folder(name, tmp_path, write):
    """What was found is imported by a real interpreter, in place of the server."""
    files, root = ROOTED[name]
    directory = write(files, tmp_path / "project")
    write({"wsgi.py": PROBE}, tmp_path / "launchers")
    command = app_of(directory).command
    assert isinstance(command, list)
    argv = [word.replace("{launchers}", str(tmp_path / "launchers")).replace("{fd}", "7") for word in command]
    assert (argv[0] == "sh") == (root is not None)
    assert root is None or argv[3] == root
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(argv, cwd=directory, env=environment, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("Flask\n", "")


def test_gunicorn_has_its_flags(write):
    command = app_of(write({"app.py": FLASK, "requirements.txt": "gunicorn\n"})).command
    assert command[:5] == [sys.executable, "-m", "gunicorn", "--bind", "fd://{fd}"]
    assert command[command.index("--timeout") + 1] == "0"
    assert "--preload" in command
    assert command[-1] == "app:app"


def test_flags_that_an_old_gunicorn_lacks(write):
    files = {"app.py": FLASK, "requirements.txt": "gunicorn==20.1.0\n"}
    command = load(write(files)).app.command
    assert "--timeout" in command
    assert "--forwarder-headers" not in command
    assert "--no-control-socket" not in command


def test_gunicorn_knows_the_flags(tmp_path, write):
    """The installed gunicorn accepts the inferred command and loads the app."""
    command = app_of(write({"app.py": FLASK, "requirements.txt": "gunicorn\n"})).command
    argv = [word.replace("fd://{fd}", "127.0.0.1:0") for word in command] + ["--check-config"]
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("files", "command"),
    [
        ({"Procfile": "release: x\nweb: ./serve --port $PORT\n", "app.py": FLASK}, "./serve --port $PORT"),
        (
            {"package.json": '{"scripts": {"start": "node server.js"}}'},
            'export PATH="$PWD/node_modules/.bin:$PATH"; node server.js',
        ),
        ({"package.json": '{"scripts": {"start": "node .", "prestart": "x"}}'}, "npm start --silent"),
        ({"main.go": "package main\n"}, "go run ."),
        ({"up.yml": "name: x\nproxy: {command: ./serve}\n", "app.py": FLASK}, "./serve"),
    ],
    ids=["procfile", "npm", "npm with prestart", "go", "up.yml"],
)
def test_commands(files, command, write):
    assert app_of(write(files)).command == command


@pytest.mark.parametrize(
    "text",
    [
        "app = a" + ".b" * 3000 + "()\n",
        "app = " + "x if y else " * 2000 + "z\n",
        "app = " + "(" * 5000,
        "\n".join(f"def f{i}():\n    return f{i + 1}()" for i in range(3000)) + "\napp = f0()\n",
    ],
    ids=["attributes", "conditions", "parentheses", "calls"],
)
def test_hostile_source(text, write):
    assert app_of(write({"app.py": text, "main.py": FASTAPI})).target == "main:app"
    with pytest.raises(ConfigError):
        load(write({"app.py": text, "up.yml": "name: x\napp: app:app\n"}))


def test_go_binary(tmp_path, write):
    write({"main.go": "package main\n", "server": "#!/bin/sh\n"})
    os.chmod(tmp_path / "server", 0o755)
    assert app_of(tmp_path).command == "./server"


def test_python_comes_before_package_json(write):
    files = {"package.json": '{"scripts": {"start": "vite"}}', "app.py": FLASK}
    assert app_of(write(files)).target == "app:app"


def test_command_line_comes_first(write):
    files = {"up.yml": "name: x\napp: nowhere:app\nproxy: {command: ./serve}\n"}
    config = load(write(files), command="./other")
    assert config.app.command == "./other"
    assert config.found == "the command of `-c`"


def test_several_are_told(write):
    found = app_of(write({"app.py": FLASK, "main.py": FASTAPI})).found
    assert "`app:app` (app.py)" in found
    assert "also there: app in main.py" in found


@pytest.mark.parametrize(
    ("files", "message", "hint"),
    [
        ({}, "no Procfile, manage.py, app.py, main.py", "-c COMMAND"),
        ({"app.py": "x = (\n"}, "app.py:1 does not parse: '(' was never closed", "Correct it"),
        ({"up.yml": "name: x\napp: app\n"}, "`app: app` is no app object", "module:object"),
        ({"up.yml": "name: x\napp: web:app\n"}, "there is no module web", "src/web.py"),
        ({"up.yml": "name: x\napp: web:app\n", "web.py": "x\ny = (\n"}, "web.py:2: does not parse", ""),
        ({"up.yml": "name: x\napp: web:app\n", "web.py": "app = 1\n"}, "cannot tell by its source", "server: waitress"),
        ({"up.yml": "name: x\nserver: uvicorn\n", "app.py": FLASK}, "uvicorn is no server for WSGI", "`server`"),
        ({"package.json": "{"}, "package.json: is no JSON", ""),
        ({"package.json": "[]"}, "package.json: is no JSON", ""),
    ],
)
def test_not_found(files, message, hint, write):
    with pytest.raises(ConfigError) as caught:
        load(write(files))
    assert message in str(caught.value)
    assert hint in caught.value.hint

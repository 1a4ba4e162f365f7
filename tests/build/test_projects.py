"""Real projects, built for both processors and served by what was built. They need PyPI."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.build.conftest import HERE, Run, built, write_files
from tests.conformance.ways import Lambda
from upproxy.build import archive
from upproxy.local.sources import HttpReply, HttpRequest

ROOT = Path(__file__).parents[2]

STACK = {
    "requirements.txt": "fastapi\nsqlalchemy\ncryptography\n",
    "main.py": """\
from cryptography.fernet import Fernet
from fastapi import FastAPI
from pydantic import BaseModel
from sqlalchemy import create_engine, text

app = FastAPI()
engine = create_engine("sqlite://")
fernet = Fernet(Fernet.generate_key())


class Answer(BaseModel):
    number: int
    secret: str


@app.get("/")
def index() -> Answer:
    with engine.connect() as connection:
        number = connection.execute(text("select 42")).scalar_one()
    return Answer(number=number, secret=fernet.decrypt(fernet.encrypt(b"kept")).decode())
""",
}

HTTPBIN = {"requirements.txt": "httpbin\n", "up.yml": "app: httpbin:app\nserver: waitress\n"}

UV_RUN = "uv run --no-project --with django python manage.py"
DJANGO = {
    "requirements.txt": "django\n",
    "manage.py": """\
import os, sys
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
from django.core.management import execute_from_command_line
execute_from_command_line(sys.argv)
""",
    "shop/__init__.py": "",
    "shop/wsgi.py": """\
import os
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
from django.core.wsgi import get_wsgi_application
application = get_wsgi_application()
""",
    "shop/settings.py": """\
from pathlib import Path
BASE_DIR = Path(__file__).parents[1]
SECRET_KEY = "of a test"
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "shop.urls"
STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "collected"
INSTALLED_APPS = [f"django.contrib.{name}" for name in
                  ("admin", "auth", "contenttypes", "sessions", "messages", "staticfiles")]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True, "OPTIONS": {
    "context_processors": ["django.template.context_processors.request", "django.contrib.auth.context_processors.auth",
                           "django.contrib.messages.context_processors.messages"]}}]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / "shop.sqlite3"}}
""",
    "shop/urls.py": """\
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.http import HttpResponse
from django.urls import path
urlpatterns = [path("", lambda request: HttpResponse(str(Permission.objects.count()))),
               path("admin/", admin.site.urls)]
""",
    "up.yml": "static: {dir: collected, prefix: /static}\n"
    f"hooks: {{build: ['{UV_RUN} migrate', '{UV_RUN} collectstatic --noinput']}}\n",
}


def sample(name: str) -> dict[str, bytes]:
    folder = ROOT / "sample_app" / name
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


@contextmanager
def serving(done: object, folder: Path) -> Iterator[Lambda]:
    """Unzip what was built and start its bootstrap."""
    task = folder / "task"
    with built(done) as artefact:  # type: ignore[arg-type]
        archive.extract(archive.read(str(artefact.filename)), str(task))
    document = json.loads((task / ".upproxy" / "manifest.json").read_text())
    bootstrap = str(task / ".upproxy" / "bootstrap")
    started = Lambda(
        document, folder, directory=task, command=(bootstrap, sys.executable),
        environment={"UPPROXY_MANIFEST": "", "UPPROXY_SERVER_PATH": ""},
    )  # fmt: skip
    try:
        started.ready()
        yield started
    finally:
        started.close()


def get(started: Lambda, path: str) -> HttpReply:
    headers = [(b"host", b"shop.example"), (b"accept", b"text/html")]
    return started.send(
        "function_url", HttpRequest("GET", path, headers, b"", "192.0.2.1", "shop.example", 443, "https")
    )


PROJECTS: dict[str, tuple[Mapping[str, str | bytes], dict[str, bytes]]] = {
    "flask": (sample("flask"), {"/": b"<html"}),
    "fastapi": (sample("fastapi"), {"/": b"<html"}),
    "httpbin": (HTTPBIN, {"/get?a=1": b'"a": "1"', "/image/png": b"\x89PNG"}),
    "django": (DJANGO, {"/": b"", "/admin/login/": b"Django administration", "/static/admin/css/base.css": b"body"}),
    "stack": (STACK, {"/": b'{"number":42,"secret":"kept"}'}),
}


QUICK = ("httpbin",)


@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.soak) for name in PROJECTS]
)
def test_built_and_served(upproxy: Run, tmp_path: Path, name: str) -> None:
    files, answers = PROJECTS[name]
    project = write_files(tmp_path / "shop", files)
    own = files.get("up.yml", "")
    text = own if isinstance(own, str) else own.decode()
    text = f"{text}\npython: {HERE}\n" if "name:" in text else f"name: shop\n{text}\npython: {HERE}\n"
    variables = {"PATH": f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}"}
    (project / "up.yml").write_text(text)
    done = upproxy("build", "-C", str(project), "--check", **variables)
    with serving(done, tmp_path) as started:
        for path, part in answers.items():
            reply = get(started, path)
            assert (reply.status, part in reply.body) == (200, True), (path, reply)
    first = Path(done.stdout.strip()).read_bytes()

    # The same bytes from a copy, with nothing in the cache.
    if name != "django":  # whose database has times in it
        copy = tmp_path / "copy"
        shutil.copytree(project, copy, ignore=shutil.ignore_patterns(".upproxy"))
        again = upproxy("build", "-C", str(copy), XDG_CACHE_HOME=str(tmp_path / "cache"), **variables)
        assert Path(again.stdout.strip()).read_bytes() == first, again.stderr

    # For the other processor: the build looks at every file of compiled code.
    (project / "up.yml").write_text(f"{text}lambda: {{architecture: arm64}}\n")
    other = upproxy("build", "-C", str(project), "-o", str(tmp_path / "arm.zip"), **variables)
    with built(other) as artefact:
        heads = {item: artefact.open(item).read(20) for item in artefact.namelist()}
    machines = {head[18] for head in heads.values() if head.startswith(b"\x7fELF")}
    assert machines == {0xB7}  # pybase64 at least

"""What holds for both launchers, each under a plain app of its protocol."""

import ast
import pathlib
import subprocess
import sys
import venv

import pytest

import upproxy.launchers

WSGI = """
    import json, os, subprocess, sys, time

    def app(environ, start_response):
        path = environ["PATH_INFO"]
        status = "200 OK"
        if path == "/exit":
            sys.exit("a view must not end the server")
        if path == "/slow":
            print("begun", flush=True)
            time.sleep(0.5)
        if path == "/child":
            body = subprocess.run("ls -l /proc/self/fd", shell=True, close_fds=False, capture_output=True).stdout
        elif path == "/seen":
            body = json.dumps({
                "scheme": environ["wsgi.url_scheme"], "client": environ["REMOTE_ADDR"], "port": environ["SERVER_PORT"],
                "prefix": environ["SCRIPT_NAME"], "header": len(environ.get("HTTP_X_LONG", "")),
            }).encode()
        elif path == "/python":
            body = json.dumps({"path": sys.path, "modules": sorted(sys.modules), "argv": sys.argv[1:]}).encode()
        else:
            body = b"hello"
        start_response(status, [("Content-Length", str(len(body)))])
        return [body]
"""

ASGI = """
    import asyncio, json, os, subprocess, sys

    async def app(scope, receive, send):
        if scope["type"] == "lifespan":
            raise RuntimeError("this app knows no lifespan")
        root = scope["root_path"]
        path = scope["path"][len(root):]
        if path == "/exit":
            sys.exit("a view must not end the server")
        if path == "/slow":
            print("begun", flush=True)
            await asyncio.sleep(0.5)
        if path == "/child":
            body = subprocess.run("ls -l /proc/self/fd", shell=True, close_fds=False, capture_output=True).stdout
        elif path == "/seen":
            body = json.dumps({
                "scheme": scope["scheme"], "client": scope["client"][0], "port": str(scope["server"][1]),
                "prefix": root,
                "header": len(dict(scope["headers"]).get(b"x-long", b"")),
            }).encode()
        elif path == "/python":
            body = json.dumps({"path": sys.path, "modules": sorted(sys.modules), "argv": sys.argv[1:]}).encode()
        else:
            body = b"hello"
        await send({
            "type": "http.response.start", "status": 200,
            "headers": [(b"content-length", str(len(body)).encode())],
        })
        await send({"type": "http.response.body", "body": body})
"""

APPS = {"wsgi": WSGI, "asgi": ASGI}
SERVERS = {"wsgi": "waitress", "asgi": "uvicorn"}

pytestmark = pytest.mark.parametrize("kind", ["wsgi", "asgi"])


def test_answers_and_keeps_the_connection(launch, kind):
    app = launch(kind, "main:app", {"main.py": APPS[kind]})
    connection = app.connect()
    ports = set()
    for _ in range(3):
        connection.request("GET", "/")
        response = connection.getresponse()
        assert (response.status, response.read()) == (200, b"hello")
        ports.add(connection.sock.getsockname())
    connection.close()
    assert len(ports) == 1


def test_app_sees_where_requests_come_from(launch, kind):
    app = launch(kind, "main:app", {"main.py": APPS[kind]})
    _, seen = app.get(
        "/seen",
        {
            "X-Forwarded-For": "10.9.9.9, 203.0.113.7",
            "X-Forwarded-Proto": "https",
            "X-Forwarded-Port": "443",
            "X-Forwarded-Prefix": "/prod%20stage/",
            "X-Long": "x" * 60_000,
        },
    )
    assert ast.literal_eval(seen) == {
        "scheme": "https",
        "client": "203.0.113.7",
        "port": "443",
        "prefix": "/prod stage",
        "header": 60_000,
    }


@pytest.mark.parametrize(
    ("sent", "seen"),
    [
        ("203.0.113.7:51000", "203.0.113.7"),
        ("2001:db8::7", "2001:db8::7"),
        ("[2001:db8::7]:51000", "2001:db8::7"),
        ("1.2.3.4,127.0.0.1", "127.0.0.1"),
    ],
)
def test_forms_of_addresses(launch, kind, sent, seen):
    app = launch(kind, "main:app", {"main.py": APPS[kind]})
    assert ast.literal_eval(app.get("/seen", {"X-Forwarded-For": sent})[1])["client"] == seen


def test_exit_in_a_view_is_answered_and_survived(launch, kind):
    app = launch(kind, "main:app", {"main.py": APPS[kind]})
    assert app.get("/exit")[0] == 500
    assert app.get() == (200, "hello")
    app.terminate()
    assert "a view must not end the server" in app.finish()[2]


def test_request_in_flight_is_answered_after_sigterm(launch, kind):
    app = launch(kind, "main:app", {"main.py": APPS[kind]})
    connection = app.connect()
    connection.request("GET", "/slow")
    assert app.process.stdout.readline() == "begun\n"
    app.terminate()
    response = connection.getresponse()
    assert (response.status, response.read()) == (200, b"hello")
    connection.close()
    code, _, err = app.finish()
    assert (code, err) == (0, "")


def test_sigterm_with_an_idle_connection(launch, kind):
    app = launch(kind, "main:app", {"main.py": APPS[kind]})
    connection = app.connect()
    connection.request("GET", "/")
    connection.getresponse().read()
    app.terminate()
    assert app.finish() == (0, "", "")
    connection.close()


def test_children_of_the_app_do_not_get_its_socket(launch, kind):
    app = launch(kind, "main:app", {"main.py": APPS[kind]})
    status, listing = app.get("/child")
    assert status == 200
    assert "/proc/" in listing or "pipe:" in listing
    assert "socket:" not in listing


FORKED = """
    import multiprocessing, os, pathlib, socket, stat, sys, time

    def listeners():
        count = 0
        for path in pathlib.Path("/proc/self/fd").iterdir():
            if path.exists() and stat.S_ISSOCK(path.stat().st_mode):
                with socket.socket(fileno=os.dup(int(path.name))) as one:
                    count += one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        return count

    def fork():
        context = multiprocessing.get_context("fork")
        counting = context.Process(target=lambda: sys.exit(listeners()))
        started = context.SimpleQueue()
        sleeping = context.Process(target=lambda: (started.put(True), time.sleep(100)))
        counting.start()
        sleeping.start()
        started.get()
        sleeping.terminate()
        counting.join()
        sleeping.join(10)
        return repr([listeners(), counting.exitcode, sleeping.exitcode]).encode()
"""


def test_processes_that_the_app_forks_are_no_servers(launch, kind):
    """They do not hold the socket, and end by SIGTERM."""
    source = APPS[kind].replace('body = b"hello"', "body = fork()")
    app = launch(kind, "main:app", {"main.py": source + FORKED})
    held = 2 if app.name else 1
    assert app.get() == (200, f"[{held}, 0, -15]")


def test_app_finds_its_own_modules_and_none_of_ours(launch, kind, tmp_path):
    """The user's module may have the name of the launcher."""
    app = launch(kind, f"{kind}:app", {f"{kind}.py": APPS[kind]})
    _, answer = app.get("/python")
    python = ast.literal_eval(answer)
    assert python["argv"] == []
    assert python["path"][0] == str(tmp_path)
    assert not any("launchers" in entry for entry in python["path"])
    assert not any(name.startswith("upproxy") for name in python["modules"])


def test_source_folder_and_dotted_names(launch, kind):
    files = {"src/shop/__init__.py": "", "src/shop/web.py": f"{APPS[kind]}\n    class api:\n        main = app\n"}
    app = launch(kind, "shop.web:api.main", {**files, "shopping.py": ""})
    assert app.get() == (200, "hello")


def test_project_comes_before_its_source_folder(launch, kind):
    app = launch(kind, "main:app", {"main.py": APPS[kind], "src/main.py": "raise SystemExit('the wrong one')"})
    assert app.get() == (200, "hello")


def test_factory(launch, kind):
    app = launch(kind, "main:create_app()", {"main.py": f"{APPS[kind]}\n    def create_app():\n        return app\n"})
    assert app.get() == (200, "hello")


def test_safe_path_of_python(launch, kind):
    app = launch(kind, "main:app", {"main.py": APPS[kind]}, PYTHONSAFEPATH="1")
    assert app.get() == (200, "hello")


def test_app_may_spawn_processes_of_its_own(launch, kind):
    """multiprocessing reads the main file again in each of them."""
    source = f"""{APPS[kind]}
    import multiprocessing

    def work(queue):
        queue.put("worked")

    def create_app():
        context = multiprocessing.get_context("spawn")
        queue = context.SimpleQueue()
        process = context.Process(target=work, args=[queue])
        process.start()
        print(queue.get(), flush=True)
        process.join()
        return app
    """
    app = launch(kind, "main:create_app()", {"main.py": source})
    assert app.get() == (200, "hello")
    assert app.process.stdout.readline() == "worked\n"


FAILURES = {
    "no such module": (
        "nothing:app",
        {},
        1,
        "there is no module nothing in {folder}; name the app in up.yml, such as app: main:app\n",
    ),
    "no such submodule": (
        "shop.web:app",
        {"shop/__init__.py": ""},
        1,
        "there is no module shop.web in {folder}; name the app in up.yml, such as app: main:app\n",
    ),
    "other names": (
        "main:application",
        {"main.py": "{source}\ndef create_app(name='x'): return app\ndef helper(app): pass\nfrom ast import parse\n"},
        1,
        (
            "the module main ({folder}/main.py) has no application, but it has app, create_app(); "
            "name the app in up.yml: app: main:NAME\n"
        ),
    ),
    "no names": (
        "main:app",
        {"main.py": "import sys, os.path\nclass App: pass\n"},
        1,
        "the module main ({folder}/main.py) has no app and no other app\n",
    ),
    "not callable": ("main:app", {"main.py": "app = 3"}, 1, "main:app is no app: int objects cannot be called\n"),
    "factory of nothing": (
        "main:create_app()",
        {"main.py": "def create_app(): pass"},
        1,
        "main:create_app() returned no app: NoneType objects cannot be called\n",
    ),
    "no target": (
        "main",
        {"main.py": ""},
        2,
        "expected MODULE:ATTRIBUTE or MODULE:FACTORY() as the app, such as main:app, not 'main'\n",
    ),
    "syntax error": (
        "main:app",
        {"main.py": "app = (\n"},
        1,
        "  File \"{folder}/main.py\", line 1\n    app = (\n          ^\nSyntaxError: '(' was never closed\n",
    ),
    "raises": (
        "main:app",
        {"main.py": "import other", "other.py": "1/0"},
        1,
        (
            'Traceback (most recent call last):\n  File "{folder}/main.py", line 1, in <module>\n    import other\n'
            '  File "{folder}/other.py", line 1, in <module>\n    1/0\n    ~^~\nZeroDivisionError: division by zero\n'
        ),
    ),
    "factory raises": (
        "main:create_app()",
        {"main.py": "def create_app():\n    raise ValueError('no database')"},
        1,
        (
            'Traceback (most recent call last):\n  File "{folder}/main.py", line 2, in create_app\n'
            "    raise ValueError('no database')\nValueError: no database\n"
        ),
    ),
    "dependency missing": (
        "main:app",
        {"main.py": "import nowhere.to_be_found"},
        1,
        (
            'Traceback (most recent call last):\n  File "{folder}/main.py", line 1, in <module>\n'
            "    import nowhere.to_be_found\nModuleNotFoundError: No module named 'nowhere'\n"
            "{python} has no module nowhere: install what the app requires into its environment\n"
        ),
    ),
    "exits": ("main:app", {"main.py": "raise SystemExit('set DATABASE_URL')"}, 1, "set DATABASE_URL\n"),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_failures_say_what_to_do(launch, kind, failure, tmp_path):
    app, files, code, message = FAILURES[failure]
    source = "async def app(scope, receive, send): ..." if kind == "asgi" else "def app(environ, start_response): ..."
    launched = launch(kind, app, {name: text.replace("{source}", source) for name, text in files.items()})
    expected = message.replace("{folder}", str(tmp_path)).replace("{python}", sys.executable)
    assert launched.finish() == (code, "", expected)


@pytest.mark.parametrize(
    "arguments",
    [[], *([numbers, "main:app"] for numbers in ("x", "999", "1", "1,", ",", "-1", "999,1", "1\u00b2", "9" * 20))],
)
def test_wrong_arguments(kind, arguments):
    folder = pathlib.Path(upproxy.launchers.__file__).parent
    done = subprocess.run([sys.executable, folder / f"{kind}.py", *arguments], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "usage: python LAUNCHER FD" in done.stderr or "is no inherited socket" in done.stderr


@pytest.fixture(scope="session")
def bare_python(tmp_path_factory):
    """An environment without any package."""
    folder = tmp_path_factory.mktemp("bare")
    venv.create(folder, with_pip=False, symlinks=True)
    return str(folder / "bin" / "python")


def test_server_missing(launch, kind, bare_python):
    app = launch(kind, "main:app", {"main.py": APPS[kind]}, python=bare_python)
    name = SERVERS[kind]
    message = (
        f"the app is served by {name}, and {bare_python} has no package {name}: "
        f"pip install {name}, and name it in the app's requirements\n"
    )
    assert app.finish() == (3, "", message)


def test_server_from_elsewhere_and_nothing_else(launch, kind, bare_python):
    """With UPPROXY_SERVER_PATH the server comes from there, but no other package does."""
    server = pathlib.Path(__import__(SERVERS[kind]).__file__).parents[1]
    probe = """
    for name in ("yaml", "flask", "upproxy", "starlette"):
        try:
            __import__(name)
        except ModuleNotFoundError:
            pass
        else:
            raise SystemExit(f"{name} should not be there")
    """
    app = launch(kind, "main:app", {"main.py": APPS[kind] + probe}, python=bare_python, UPPROXY_SERVER_PATH=str(server))
    assert app.get() == (200, "hello")
    app.terminate()
    assert app.finish() == (0, "", "")


def test_runs_on_older_pythons(kind):
    folder = pathlib.Path(upproxy.launchers.__file__).parent
    for name in (f"{kind}.py", "_upproxy_launch.py"):
        ast.parse((folder / name).read_text(), feature_version=(3, 9))

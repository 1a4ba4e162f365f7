"""The rivals, unmodified, each as its users run it: as its documentation says, with the app that we run too.

The Web Adapter is an extension, which starts together with the app's own server. The others are called by AWS's runtime
client in the process of the app.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence

from bench import installed
from bench.candidates import Candidate, environment
from bench.cases import ARTEFACT, FLASK, MIDDLEWARE, ROOT, STARLETTE, Case
from bench.processes import Process

RUNTIME_CLIENT = "awslambdaric"


class WebAdapter(Candidate):
    """AWS's Lambda Web Adapter before the same server, started by its own command line, without access lines."""

    name = "Lambda Web Adapter"
    needs = installed.WEB_ADAPTER
    is_rival = True
    folder_of_code = ROOT

    @classmethod
    def serves(cls, case: Case) -> bool:
        return case.name != ARTEFACT.name and case.name != MIDDLEWARE.name

    def launch(self) -> Process:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        adapter = self.spawn(
            [installed.ADAPTER],
            environment=environment(self.case)
            | {
                "AWS_LAMBDA_RUNTIME_API": self.driver.address,
                "AWS_LWA_INVOKE_MODE": "response_stream" if self.case.streamed else "buffered",
                "AWS_LWA_PORT": str(port),
            },
            folder=self.folder,
        )
        self.beside.append(
            self.spawn(
                [installed.python(), "-m", *self._server(port)],
                environment=environment(self.case) | self._variables(),
                folder=self.folder_of_code,
            )
        )
        return adapter

    def _server(self, port: int) -> Sequence[str]:
        app = self.case.app
        if app.launcher == "wsgi.py":
            return "waitress", f"--listen=127.0.0.1:{port}", f"--threads={max(4, self.case.slots)}", app.attribute
        return "uvicorn", "--port", str(port), "--no-access-log", "--log-level", "warning", app.attribute

    def _variables(self) -> dict[str, str]:
        return {}


class ZippedWebAdapter(WebAdapter):
    """The usual zip of the app behind it: packages and source as they come, without bytecode."""

    needs = installed.WEB_ADAPTER
    folder_of_code = os.path.join(installed.ARTEFACT, "usual")

    @classmethod
    def serves(cls, case: Case) -> bool:
        return case.name == ARTEFACT.name

    def _variables(self) -> dict[str, str]:
        return {"PYTHONPATH": self.folder_of_code, "PYTHONDONTWRITEBYTECODE": "1"}


class InProcess(Candidate):
    """An adapter that the official runtime client calls, in the process of the app. `handler` is its module's text."""

    needs = installed.PACKAGES
    is_rival = True
    handler: str
    launcher: str  # of the apps that it is for
    folder_of_code = ROOT

    @classmethod
    def serves(cls, case: Case) -> bool:
        in_scope = case.name not in (ARTEFACT.name, MIDDLEWARE.name) and not case.streamed
        return in_scope and case.app.launcher == cls.launcher

    def launch(self) -> Process:
        module, _, attribute = self.case.app.attribute.partition(":")
        with open(os.path.join(self.folder, "function.py"), "w") as file:
            file.write(self.handler.format(module=module, app=attribute))
        return self.spawn(
            [installed.python(), "-m", RUNTIME_CLIENT, "function.handler"],
            environment=environment(self.case) | self._variables(),
            folder=self.folder,
        )

    def tested(self) -> Sequence[int]:
        """Its processes, of which it has one for each invocation at once."""
        return self.process.members()

    def _variables(self) -> dict[str, str]:
        return {
            "AWS_LAMBDA_RUNTIME_API": self.driver.address,
            "LAMBDA_TASK_ROOT": self.folder,
            "PYTHONPATH": self.folder_of_code,
            "_HANDLER": "function.handler",
        }


class Mangum(InProcess):
    name = "Mangum"
    handler = "from mangum import Mangum\nfrom {module} import {app}\nhandler = Mangum({app}, lifespan='off')\n"
    launcher = "asgi.py"


class MangumLifespan(InProcess):
    """It runs the app's start and end around every request, in so far as the app has any."""

    name = "Mangum, lifespan"
    handler = "from mangum import Mangum\nfrom {module} import {app}\nhandler = Mangum({app}, lifespan='on')\n"
    launcher = "asgi.py"

    @classmethod
    def serves(cls, case: Case) -> bool:
        return super().serves(case) and case.app == STARLETTE and case.slots == 1 and not case.is_cold


class ZippedMangum(Mangum):
    """The usual zip of the app with it; the runtime client itself, which is AWS's part, has bytecode."""

    folder_of_code = os.path.join(installed.ARTEFACT, "usual")

    @classmethod
    def serves(cls, case: Case) -> bool:
        return case.name == ARTEFACT.name

    def _variables(self) -> dict[str, str]:
        return super()._variables() | {"PYTHONDONTWRITEBYTECODE": "1"}


class ApigWsgi(InProcess):
    name = "apig-wsgi"
    handler = (
        "from apig_wsgi import make_lambda_handler\nfrom {module} import {app}\nhandler = make_lambda_handler({app})\n"
    )
    launcher = "wsgi.py"


class ServerlessWsgi(InProcess):
    name = "serverless-wsgi"
    handler = (
        "import serverless_wsgi\nfrom {module} import {app}\n\n"
        "def handler(event, context):\n    return serverless_wsgi.handle_request({app}, event, context)\n"
    )
    launcher = "wsgi.py"

    @classmethod
    def serves(cls, case: Case) -> bool:
        return super().serves(case) and case.app == FLASK


RIVALS: list[type[Candidate]] = [
    WebAdapter, ZippedWebAdapter, Mangum, MangumLifespan, ZippedMangum, ApigWsgi, ServerlessWsgi,
]  # fmt: skip

"""Lambda's own API, as far as the commands about a live version ask for it: `Invoke` reaches whatever a test gives.

Moto runs functions in Docker only.
"""

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

FUNCTION = "/2015-03-31/functions/shop-staging"
INVOKE = f"{FUNCTION}/invocations?Qualifier=7"
CONFIGURATION = f"{FUNCTION}/configuration?Qualifier=live"

Answer = tuple[dict[str, str], bytes]
"""Header fields and the payload."""


class LambdaApi(ThreadingHTTPServer):
    """One function, shop-staging, whose alias is at version 7 unless `deployed` is False.

    `invoke` gives an answer for a payload; `refusal` is a status and an error code with which all is refused.
    """

    def __init__(self, invoke: Callable[[bytes], Answer], timeout: int = 30) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.invoke = invoke
        self.timeout_of_the_function = timeout
        self.deployed = True
        self.refusal: tuple[int, str] | None = None
        self.asked: list[str] = []
        self._thread = threading.Thread(target=self.serve_forever)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def close(self) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: LambdaApi

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.server.asked.append(f"GET {self.path}")
        if self.server.refusal:
            self._refuse(*self.server.refusal)
        elif self.path == CONFIGURATION and self.server.deployed:
            document = {"FunctionName": "shop-staging", "Version": "7", "Timeout": self.server.timeout_of_the_function}
            self._answer(json.dumps(document).encode())
        elif self.path.endswith("/concurrency"):
            self._answer(b'{"ReservedConcurrentExecutions": 20}')
        else:
            self._refuse(404, "ResourceNotFoundException")

    def do_POST(self):
        self.server.asked.append(f"POST {self.path}")
        payload = self.rfile.read(int(self.headers["Content-Length"]))
        if self.server.refusal or self.path != INVOKE:
            self._refuse(*self.server.refusal or (404, "ResourceNotFoundException"))
            return
        fields, answer = self.server.invoke(payload)
        self._answer(answer, {"X-Amz-Executed-Version": "7", **fields})

    def _answer(self, body, fields=None, status=200):
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(fields or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _refuse(self, status, code):
        self._answer(json.dumps({"__type": code, "message": "no"}).encode(), {"X-Amzn-ErrorType": code}, status)

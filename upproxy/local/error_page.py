"""What a browser shows while the app does not run."""

from __future__ import annotations

import html
import json

from upproxy.local.failure import Failure

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>The app did not start</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 56rem; margin: 4rem auto; padding: 0 1.5rem; }}
h1 {{ font-size: 1.1rem; font-weight: 600; color: #c0392b; }}
p {{ font-size: 1.25rem; overflow-wrap: anywhere; }}
p.hint, footer {{ font-size: 1rem; opacity: .75; }}
pre {{ font-size: .85rem; padding: 1rem; overflow-x: auto; border: 1px solid #8884; border-radius: .5rem; }}
</style>
</head>
<body>
<h1>The app did not start</h1>
<p>{message}</p>
{details}
<footer>Save a change and reload this page: the app is started again on every change.</footer>
</body>
</html>
"""


def as_html(failure: Failure) -> bytes:
    """Write the page, with everything that the app has said escaped."""
    details = ""
    if failure.hint:
        details += f'<p class="hint">{html.escape(failure.hint)}</p>\n'
    if failure.output:
        details += f"<pre>{html.escape(chr(10).join(failure.output))}</pre>\n"
    return _PAGE.format(message=html.escape(failure.message), details=details).encode()


def as_json(failure: Failure) -> bytes:
    """Write the same for programs."""
    return json.dumps({"message": failure.message, "hint": failure.hint, "output": list(failure.output)}).encode()

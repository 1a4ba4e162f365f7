"""`upproxy init`: the first up.yml of a project."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import click

from upproxy.cli.errors import CommandError, Conflict, UsageError
from upproxy.cli.frame import Call

if TYPE_CHECKING:
    from upproxy.config.inference import App

FILE = "up.yml"
ENDPOINTS = ("function_url", "http_api", "rest_api")
_REGION = "us-east-1"  # if neither the environment nor ~/.aws names one
_TEXT = """\
# What upproxy knows of this app. `upproxy config` prints it with all defaults, `upproxy config --schema` the schema
# for your editor.

# Its functions on AWS are called <name>-<stage>.
{name}

# {found}
# Where that is wrong: the app object as `app: module:object`, or the whole command as `proxy: {{command: …}}`.

# Where it is deployed to; several regions are deployed to at once.
regions: [{region}]

# What takes the requests: function_url (streams, costs nothing), http_api, or rest_api (streams).
endpoint: {endpoint}

# Variables for the app. Secrets do not belong here: `upproxy env add NAME` keeps them.
environment: {{}}

# What is otherwise at a stage; staging and production are there without being named.
# stages:
#   production:
#     domain: shop.example
"""


@click.command()
@click.option("--name", metavar="NAME", help="The app's name; by default the folder's.")
@click.option("--endpoint", type=click.Choice(ENDPOINTS), help="What takes the requests on AWS.")
@click.pass_obj
def command(call: Call, *, name: str | None, endpoint: str | None) -> None:
    """Write an up.yml for the project in this folder.

    In a terminal it asks for the app's name, the region and the endpoint; --yes takes what it proposes. A file that is
    there already is left alone.
    """
    # Not at the top: the help of this command should not wait for them.
    from upproxy import config
    from upproxy.config.load import FILES, name_of
    from upproxy.config.values import NAME, REGION

    output, directory = call.output, os.path.realpath(call.directory)
    if there := next((file for file in FILES if os.path.lexists(os.path.join(directory, file))), None):
        raise Conflict(f"there is {there} already", hint="`upproxy config` prints what it comes to.")
    try:
        app: App | None = config.load(directory, "staging").app
    except config.ConfigError as error:
        if not os.path.isdir(directory):
            raise
        app = None
        output.warn(f"no app was found: {str(error).splitlines()[0]}")
    if app:
        output.note(app.found)
    name = _answer(call, "Name", name, name_of(directory), NAME)
    region = _answer(call, "Region", call.region, _usual_region(), REGION)
    endpoint = _answer(call, "Endpoint", endpoint, ENDPOINTS[0], f"^({'|'.join(ENDPOINTS)})$")
    found = " ".join(app.found.partition(";")[0].split()) if app else "No app was found here."
    line = config.to_yaml({"name": name}).strip()
    path = os.path.join(directory, FILE)
    _write(path, _TEXT.format(name=line, found=found, region=region, endpoint=endpoint))
    if output.as_json:
        output.document({"path": path, "name": name, "regions": [region], "endpoint": endpoint})
    else:
        output.text(path)
    output.note("`upproxy start` serves the app here; `upproxy doctor` looks at what `upproxy deploy` needs")


def _answer(call: Call, question: str, given: str | None, proposed: str, pattern: str) -> str:
    """Return what a flag says, else what is answered. Raises UsageError."""
    from upproxy.config.values import EXPECTED

    expected = EXPECTED.get(pattern, f"one of {', '.join(ENDPOINTS)}")

    def check(value: str) -> str:
        if not re.search(pattern, value):
            raise UsageError(f"{question.lower()}: expected {expected}, found {value!r}")
        return value

    return check(given) if given is not None else call.output.ask(question, proposed, check)


def _usual_region() -> str:
    from upproxy.aws.errors import AwsError
    from upproxy.aws.session import Session

    try:
        return Session().region
    except AwsError:
        return _REGION


def _write(path: str, text: str) -> None:
    """Write a new file, as a whole or not at all, and never over another. Raises Conflict."""
    whole = os.path.join(os.path.dirname(path), f".{FILE}.{os.getpid()}")
    try:
        with open(whole, "x", encoding="utf-8") as file:
            file.write(text)
        try:
            os.link(whole, path)
        finally:
            os.unlink(whole)
    except FileExistsError as error:
        raise Conflict(f"{error.filename2 or error.filename} is there already") from None
    except OSError as error:
        raise CommandError(f"cannot write {path}: {error.strerror}") from None

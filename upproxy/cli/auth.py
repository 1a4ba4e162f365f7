"""`upproxy auth`: what `auth` in up.yml needs to be written."""

from __future__ import annotations

import click

from upproxy.cli.errors import UsageError
from upproxy.cli.frame import Call
from upproxy.proxy.middleware.auth import scrypt


@click.command()
@click.argument("action", metavar="hash", type=click.Choice(["hash"]))
@click.pass_obj
def command(call: Call, action: str) -> None:  # noqa: ARG001  # there is one so far
    """Hash a password for `auth` in up.yml.

    In a terminal the password is asked for, twice; otherwise it is the first line of stdin. It is never an argument,
    which other users of the machine could see.
    """
    output = call.output
    password = output.secret("password", twice=True).partition(b"\n")[0].rstrip(b"\r")
    hashed = str(scrypt.make(_checked(password)))
    if output.as_json:
        output.document({"hash": hashed})
    else:
        output.note("For `users` in up.yml, in quotes; or for the variable that it refers to:")
        output.text(hashed)


def _checked(password: bytes) -> bytes:
    """Return a password that a browser can send. Raises UsageError."""
    try:
        text = password.decode()
    except UnicodeDecodeError:
        raise UsageError("the password is no UTF-8", hint="Browsers send it as that.") from None
    if not text:
        raise UsageError("the password is empty", hint="Pipe it in, or run this in a terminal.")
    if any(char < " " or char == "\x7f" for char in text):
        raise UsageError("the password has a control character", hint="RFC 7617 does not allow it.")
    return password

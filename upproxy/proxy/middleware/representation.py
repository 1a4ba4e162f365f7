"""What the fields of a response say of its body, and what is no longer true of them once the body is changed."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from upproxy.proxy.messages import Headers

# They are about the very bytes (RFC 1864, RFC 3230, RFC 9530), or invite to ask for a part of them.
_OF_THE_BYTES = ("content-length", "content-md5", "digest", "content-digest", "repr-digest", "accept-ranges")


def media_type(headers: Headers) -> str:
    """Return the media type in lower case without parameters; empty where the response has none."""
    return headers.get("content-type").partition(";")[0].strip().lower()


def is_coded(headers: Headers) -> bool:
    """Whether the body has a content coding, such as gzip."""
    return any(value.strip().lower() not in ("", "identity") for value in headers.get_all("content-encoding"))


def forbids_transformation(headers: Headers) -> bool:
    """Whether Cache-Control has `no-transform` (RFC 9111 section 5.2.2.6)."""
    return any(
        directive.strip().lower() == "no-transform"
        for value in headers.get_all("cache-control")
        for directive in value.split(",")
    )


def is_partial(status: int, headers: Headers) -> bool:
    """Whether the body is a part of something, whose offsets count bytes as they are."""
    return status == 206 or "content-range" in headers


def announced_length(headers: Headers) -> int | None:
    """Return Content-Length, None where there is none."""
    text = headers.get("content-length")
    return int(text) if text.isascii() and text.isdigit() else None


def forget_bytes(headers: Headers) -> None:
    """Drop the fields that are about the bytes of a body that is replaced."""
    headers.remove(*_OF_THE_BYTES)


def weaken(headers: Headers) -> None:
    """Make a strong ETag weak: the same page, not the same bytes (RFC 9110 section 8.8.1)."""
    tag = headers.get("etag")
    if tag.startswith('"'):
        headers.set("etag", f"W/{tag}")


def vary(headers: Headers, name: str) -> None:
    """Add a request field that the response depends on to Vary (RFC 9110 section 12.5.5)."""
    named = [part.strip().lower() for value in headers.get_all("vary") for part in value.split(",")]
    if "*" not in named and name.lower() not in named:
        before = ", ".join(value for value in headers.get_all("vary") if value.strip())
        headers.set("vary", f"{before}, {name}" if before else name)

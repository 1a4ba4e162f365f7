"""What a file is by its name: its media type, whether it is text, and how long it may be kept."""

from __future__ import annotations

# A table of our own: what a system has in its mime.types differs from machine to machine.
_TYPES = {
    "aac": "audio/aac",
    "apng": "image/apng",
    "atom": "application/atom+xml",
    "avi": "video/x-msvideo",
    "avif": "image/avif",
    "bmp": "image/bmp",
    "bz2": "application/x-bzip2",
    "cjs": "text/javascript",
    "css": "text/css",
    "csv": "text/csv",
    "doc": "application/msword",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "eot": "application/vnd.ms-fontobject",
    "epub": "application/epub+zip",
    "flac": "audio/flac",
    "geojson": "application/geo+json",
    "gif": "image/gif",
    "glb": "model/gltf-binary",
    "gltf": "model/gltf+json",
    "gz": "application/gzip",
    "heic": "image/heic",
    "htm": "text/html",
    "html": "text/html",
    "ico": "image/vnd.microsoft.icon",
    "ics": "text/calendar",
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "js": "text/javascript",
    "json": "application/json",
    "jsonld": "application/ld+json",
    "jxl": "image/jxl",
    "m4a": "audio/mp4",
    "m4v": "video/mp4",
    "map": "application/json",
    "md": "text/markdown",
    "mjs": "text/javascript",
    "mov": "video/quicktime",
    "mp3": "audio/mpeg",
    "mp4": "video/mp4",
    "mpeg": "video/mpeg",
    "oga": "audio/ogg",
    "ogg": "audio/ogg",
    "ogv": "video/ogg",
    "opus": "audio/ogg",
    "otf": "font/otf",
    "pdf": "application/pdf",
    "png": "image/png",
    "ppt": "application/vnd.ms-powerpoint",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "rss": "application/rss+xml",
    "rtf": "application/rtf",
    "svg": "image/svg+xml",
    "tar": "application/x-tar",
    "tif": "image/tiff",
    "tiff": "image/tiff",
    "toml": "application/toml",
    "tsv": "text/tab-separated-values",
    "ttf": "font/ttf",
    "txt": "text/plain",
    "vtt": "text/vtt",
    "wasm": "application/wasm",
    "wav": "audio/wav",
    "weba": "audio/webm",
    "webm": "video/webm",
    "webmanifest": "application/manifest+json",
    "webp": "image/webp",
    "woff": "font/woff",
    "woff2": "font/woff2",
    "xhtml": "application/xhtml+xml",
    "xls": "application/vnd.ms-excel",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "xml": "application/xml",
    "xz": "application/x-xz",
    "yaml": "application/yaml",
    "yml": "application/yaml",
    "zip": "application/zip",
    "zst": "application/zstd",
}
_UNKNOWN = "application/octet-stream"
_COMPRESSIBLE = frozenset(("application/wasm", "application/vnd.ms-fontobject", "font/otf", "font/ttf", "image/bmp"))
_TEXT_SUFFIXES = ("/json", "+json", "/xml", "+xml", "/yaml", "/toml")

FOR_EVER = "max-age=31536000, immutable"  # no `public`, which would let shared caches keep what was behind a password
CHECKED = "no-cache"  # kept, but asked about each time: a 304 is small

_BUNDLED = frozenset(("cjs", "css", "js", "map", "mjs", "woff", "woff2"))  # what bundlers write, and people seldom name
_HEX = frozenset("0123456789abcdef")
_DIGITS = frozenset("0123456789")


def media_type(name: str) -> str:
    """Return the media type of a file's name, without a charset."""
    return _TYPES.get(_extension(name), _UNKNOWN)


def is_text(kind: str) -> bool:
    """Whether files of a media type are characters rather than bytes."""
    return kind.startswith("text/") or kind.endswith(_TEXT_SUFFIXES)


def has_charset(kind: str) -> bool:
    """Whether a media type takes a charset: JSON and its like are always UTF-8 and have no such parameter."""
    return kind.startswith("text/") or kind.endswith(("/xml", "+xml"))


def is_compressible(kind: str) -> bool:
    """Whether there may be a compressed file beside one of this media type."""
    return is_text(kind) or kind in _COMPRESSIBLE


def cache_control(name: str) -> str:
    """Return how long a file may be kept: for ever where its name has a digest of its content."""
    return FOR_EVER if is_hashed(name) else CHECKED


def is_hashed(name: str) -> bool:
    """Whether a name has a digest in it, as bundlers write them: `app.3f9a1c2b.js`, `index-BVq8a0Xy.css`.

    A part between dots or hyphens, of 8 to 64 hexadecimal digits with a letter among them; or, in what bundlers
    write, one of exactly 8 letters and digits with a capital and a digit. Better one too few than one too many, which
    clients would never ask for again: so no dates, no words.
    """
    stem = name.removesuffix(f".{_extension(name)}")
    bundled = _extension(name) in _BUNDLED
    for part in stem.replace("-", ".").split(".")[1:]:
        if not part.isascii() or _DIGITS.isdisjoint(part) or _DIGITS.issuperset(part):
            continue
        if 8 <= len(part) <= 64 and _HEX.issuperset(part):
            return True
        if bundled and len(part) == 8 and part.replace("_", "").isalnum() and part != part.lower():
            return True
    return False


def _extension(name: str) -> str:
    stem, dot, extension = name.rpartition(".")
    return extension.lower() if dot and stem else ""

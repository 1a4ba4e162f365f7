"""Strict pydantic models, of our own and derived from the proxy's options classes."""

from __future__ import annotations

from typing import Any, get_type_hints

from pydantic import BaseModel, ConfigDict, create_model

from upproxy.proxy.options import Options


class Strict(BaseModel):
    """A mapping with known keys only, whose values are taken as they are."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def derive(options: type[Options], *, omit: tuple[str, ...] = (), **narrow: Any) -> Any:
    """Make the strict model of an options class: its fields, types, defaults and description.

    `omit` leaves fields out; `narrow` gives a field's type anew, annotated with bounds and a description, or as a
    pair with another default.
    """
    fields: dict[str, Any] = {}
    for name, kind in get_type_hints(options).items():
        if name in omit:
            continue
        narrowed = narrow.get(name, kind)
        if not isinstance(narrowed, tuple):
            narrowed = (narrowed, getattr(options, name, ...))
        fields[name] = narrowed
    return create_model(options.__name__, __base__=Strict, __doc__=options.__doc__, **fields)

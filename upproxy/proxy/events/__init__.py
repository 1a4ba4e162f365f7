"""The sources of events: a codec for each, and which one an event belongs to."""

from upproxy.proxy.events.detection import Codecs

__all__ = ["Codecs"]

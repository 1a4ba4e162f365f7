"""Which source an event comes from."""

from __future__ import annotations

from upproxy.proxy.errors import NotConfigured
from upproxy.proxy.events.alb import Alb, AlbMultiValue
from upproxy.proxy.events.function_url import FunctionUrl
from upproxy.proxy.events.http_api import HttpApi
from upproxy.proxy.events.rest_api import HttpApiVersion1, RestApi
from upproxy.proxy.events.trigger import Trigger, kind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from upproxy.proxy.events.codec import Codec
    from upproxy.proxy.manifest import EventOptions

# Asked in this order. A Function URL is an HTTP API's event with a domain of its own; a load balancer's event looks
# like a REST API's but for `requestContext.elb`; payload 1.0 of an HTTP API is a REST API's but for its version.
_ORDER: tuple[type[Codec], ...] = (FunctionUrl, HttpApi, AlbMultiValue, Alb, HttpApiVersion1, RestApi)


class Codecs:
    """One codec a source, made once. `streaming` are the sources whose replies are streamed."""

    def __init__(self, options: EventOptions) -> None:
        self._codecs = [codec(options) for codec in _ORDER]
        self.streaming = frozenset(codec.name for codec in _ORDER if codec.streams and options.streaming)
        self._trigger = Trigger(options) if options.triggers is not None else None

    def codec_for(self, event: object) -> Codec:
        """Return the codec of the event's source; what is no HTTP request goes to the triggers.

        Raises NotConfigured when there is no path for those.
        """
        context = event.get("requestContext") if isinstance(event, dict) else None
        if isinstance(event, dict) and isinstance(context, dict):
            for codec in self._codecs:
                if codec.matches(event, context):
                    return codec
        if self._trigger is None:
            raise NotConfigured(
                f"an event that is no HTTP request ({kind(event)}): "
                "set `triggers: {path: ...}` in up.yml to the path of the app that such events are to be posted to"
            )
        return self._trigger

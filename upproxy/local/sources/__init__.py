"""What API Gateway, Function URLs and load balancers do themselves: from HTTP to an event, from a reply to HTTP."""

from upproxy.local.sources.alb import Alb
from upproxy.local.sources.function_url import FunctionUrl
from upproxy.local.sources.http_api import HttpApi, HttpApiVersion1
from upproxy.local.sources.rest_api import RestApi
from upproxy.local.sources.source import HttpReply, HttpRequest, MalformedReply, Source

__all__ = ["SOURCES", "HttpReply", "HttpRequest", "MalformedReply", "Source"]

SOURCES: dict[str, Source] = {
    source.name: source
    for source in (FunctionUrl(), HttpApi(), HttpApiVersion1(), RestApi(), Alb(), Alb(multi_value=True))
}

"""HTTP plumbing: routes, reading requests, errors → responses, OpenAPI, the server and its limits.

It serves what rooms declare, and describes it. It knows no room: schemes that rooms offer tell who asks, and the
handler of a route what a request means.
"""

from blazon.web.crowding import Crowding
from blazon.web.dispatch import Dispatcher
from blazon.web.failures import ErrorBody, Failure
from blazon.web.json import IncompleteBody
from blazon.web.json import read as read_json
from blazon.web.limits import Limits
from blazon.web.metrics import HttpMetrics
from blazon.web.openapi import document
from blazon.web.pages import pages
from blazon.web.request import JSON_OR_TEXT, Peer, Request, device_key
from blazon.web.route import REFRESH_TOKEN, USER_TOKEN, AnyRoute, Auth, Call, NoBody, NoQuery, Page, Reply, Route
from blazon.web.schemes import BearerScheme, Scheme
from blazon.web.server import Bound, HttpServer, Listener, listen
from blazon.web.table import Declared, RouteTable

__all__ = [
    "JSON_OR_TEXT",
    "REFRESH_TOKEN",
    "USER_TOKEN",
    "AnyRoute",
    "Auth",
    "BearerScheme",
    "Bound",
    "Call",
    "Crowding",
    "Declared",
    "Dispatcher",
    "ErrorBody",
    "Failure",
    "HttpMetrics",
    "HttpServer",
    "IncompleteBody",
    "Limits",
    "Listener",
    "NoBody",
    "NoQuery",
    "Page",
    "Peer",
    "Reply",
    "Request",
    "Route",
    "RouteTable",
    "Scheme",
    "device_key",
    "document",
    "listen",
    "pages",
    "read_json",
]

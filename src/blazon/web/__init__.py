"""HTTP plumbing: routes, reading requests, errors → responses, OpenAPI, the server and its limits.

It serves what rooms declare, and describes it. It knows no room: an `Authenticator` tells whom a token belongs to, and
the handler of a route what a request means.
"""

from blazon.web.crowding import Crowding
from blazon.web.dispatch import Authenticator, Dispatcher
from blazon.web.failures import ErrorBody, Failure
from blazon.web.json import IncompleteBody
from blazon.web.json import read as read_json
from blazon.web.limits import Limits
from blazon.web.metrics import HttpMetrics
from blazon.web.openapi import document
from blazon.web.pages import pages
from blazon.web.request import JSON_OR_TEXT, device_key
from blazon.web.route import AnyRoute, Auth, Call, NoBody, NoQuery, Page, Reply, Route
from blazon.web.server import HttpServer, listen

__all__ = [
    "JSON_OR_TEXT",
    "AnyRoute",
    "Auth",
    "Authenticator",
    "Call",
    "Crowding",
    "Dispatcher",
    "ErrorBody",
    "Failure",
    "HttpMetrics",
    "HttpServer",
    "IncompleteBody",
    "Limits",
    "NoBody",
    "NoQuery",
    "Page",
    "Reply",
    "Route",
    "device_key",
    "document",
    "listen",
    "pages",
    "read_json",
]

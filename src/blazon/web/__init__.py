"""HTTP plumbing: routes, reading requests, errors → answers, OpenAPI, the server and its limits.

It can serve what rooms declare and describe it. It knows no room: who a token belongs to it asks an `Authenticator`,
what a request means it leaves to the route's handler.
"""

from blazon.web.connection import ServerSettings
from blazon.web.crowding import Crowding
from blazon.web.dispatch import Authenticator, Dispatcher, Limits, Resource
from blazon.web.json import read as read_json
from blazon.web.metrics import HttpMetrics
from blazon.web.openapi import document
from blazon.web.pages import add_pages
from blazon.web.reading import JSON_OR_TEXT, device_key
from blazon.web.route import AnyRoute, Auth, BinaryReply, BinaryRoute, Call, NoBody, NoQuery, Page, Reply, Route
from blazon.web.server import HttpServer, listen

__all__ = [
    "JSON_OR_TEXT",
    "AnyRoute",
    "Auth",
    "Authenticator",
    "BinaryReply",
    "BinaryRoute",
    "Call",
    "Crowding",
    "Dispatcher",
    "HttpMetrics",
    "HttpServer",
    "Limits",
    "NoBody",
    "NoQuery",
    "Page",
    "Reply",
    "Resource",
    "Route",
    "ServerSettings",
    "add_pages",
    "device_key",
    "document",
    "listen",
    "read_json",
]

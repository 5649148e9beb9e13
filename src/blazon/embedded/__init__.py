"""Servers that Blazon starts itself on a laptop: child processes on loopback that die with it.

It can start Redis, and start it again when it ends. It keeps their data under the data folder and never touches a
server it did not start.
"""

from blazon.embedded.child import die_with_parent
from blazon.embedded.redis import EmbeddedRedis, embedded_redis

__all__ = ["EmbeddedRedis", "die_with_parent", "embedded_redis"]

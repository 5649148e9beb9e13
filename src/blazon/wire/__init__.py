"""How an event looks outside: flat maps for Redis Streams, CloudEvents for RabbitMQ.

It can turn a record into either shape. It does no I/O and knows no event type: what is shown of one is said where it is
declared.
"""

from blazon.wire.cloudevents import CONTENT_TYPE, CloudEvent, cloud_event
from blazon.wire.flat import flat_map, sequence_of, stream_id, stream_name

__all__ = ["CONTENT_TYPE", "CloudEvent", "cloud_event", "flat_map", "sequence_of", "stream_id", "stream_name"]

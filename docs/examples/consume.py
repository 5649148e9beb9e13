"""Prints every event Blazon sends to RabbitMQ.

    python consume.py amqp://guest:guest@127.0.0.1:5672/ [pattern]

A pattern such as `group.*` chooses types; `#`, the default, is all of them. Ctrl-C ends it.
"""

import json
import sys

import pika

url, pattern = sys.argv[1], (sys.argv[2:] or ["#"])[0]
channel = pika.BlockingConnection(pika.URLParameters(url)).channel()
channel.exchange_declare("lamassu", exchange_type="topic", durable=True)
queue = channel.queue_declare("", exclusive=True).method.queue
channel.queue_bind(queue, "lamassu", pattern)
for delivery, _, body in channel.consume(queue):
    event = json.loads(body)
    print(event["sequence"], event["type"], event.get("subject", ""), json.dumps(event["data"]), flush=True)
    channel.basic_ack(delivery.delivery_tag)

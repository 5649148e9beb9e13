"""Real servers, each private to the test run: child processes on free ports with their data in temporary folders.

They die with the test process, also when it is killed. Each can be killed and started again on the same port and data,
and started again empty.
"""

from tests.servers.moto import MotoServer
from tests.servers.postgres import PostgresServer
from tests.servers.process import free_port, wait_for
from tests.servers.rabbitmq import RabbitServer
from tests.servers.redis import RedisServer
from tests.servers.smtp import SmtpServer
from tests.servers.softhsm import SoftHsm

__all__ = [
    "MotoServer",
    "PostgresServer",
    "RabbitServer",
    "RedisServer",
    "SmtpServer",
    "SoftHsm",
    "free_port",
    "wait_for",
]

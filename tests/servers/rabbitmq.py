"""A private RabbitMQ (Debian's package), with a private epmd."""

import os
import shutil
import subprocess
from pathlib import Path

from tests.servers.process import Server, answers, free_port, wait_for


class RabbitServer(Server):
    """RabbitMQ as root, on free ports. `RUNNING_UNDER_SYSTEMD` makes its script exec the VM, so it can be killed."""

    name = "rabbitmq"

    def __init__(self) -> None:
        super().__init__()
        self.port = free_port()
        self._dist_port = free_port()
        self._epmd_port = free_port()
        self._epmd: subprocess.Popen[bytes] | None = None
        cookie = self.folder / ".erlang.cookie"
        cookie.write_text("blazon-tests")
        cookie.chmod(0o400)
        (self.folder / "rabbitmq.conf").write_text(
            f"listeners.tcp.1 = 127.0.0.1:{self.port}\n"
            "disk_free_limit.absolute = 50MB\n"
            "vm_memory_high_watermark.absolute = 4GB\n"
        )
        (self.folder / "enabled_plugins").write_text("[].")
        self._start_epmd()
        self.start()

    @property
    def url(self) -> str:
        """Where to connect."""
        return f"amqp://guest:guest@127.0.0.1:{self.port}/"

    def _start_epmd(self) -> None:
        self.spawn(["epmd", "-address", "127.0.0.1", "-port", str(self._epmd_port)])
        self._epmd, self.process = self.process, None
        wait_for(lambda: answers(self._epmd_port), "epmd")

    def _environment(self) -> dict[str, str]:
        folder = self.folder
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "RUNNING_UNDER_SYSTEMD": "true",
            "RABBITMQ_NODENAME": f"r{self.port}@localhost",
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_DIST_PORT": str(self._dist_port),
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "advanced.config"),
            "RABBITMQ_CONF_ENV_FILE": "/nonexistent",
            "RABBITMQ_PID_FILE": str(folder / "pid"),
            "RABBITMQ_FEATURE_FLAGS_FILE": str(folder / "feature_flags"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(folder / "generated"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none",
        }

    def start(self) -> None:
        """Starts the server on its data."""
        # Debian's wrapper in /usr/sbin switches to another user; the script under /usr/lib does not.
        script = next(Path("/usr/lib/rabbitmq/lib").glob("rabbitmq_server-*/sbin/rabbitmq-server"))
        self.spawn([script], self._environment())
        wait_for(lambda: self.running() and answers(self.port, b"AMQP\0\0\x09\x01", b"\x01\0\0"), self.name, 60)

    def add_user(self, name: str, password: str) -> None:
        """Adds a user who may do everything."""
        script = next(Path("/usr/lib/rabbitmq/lib").glob("rabbitmq_server-*/sbin/rabbitmqctl"))
        for words in (("add_user", name, password), ("set_permissions", name, ".*", ".*", ".*")):
            subprocess.run([script, *words], env=self._environment(), check=True, stdout=subprocess.DEVNULL)

    def empty(self) -> None:
        """Throws the data of a stopped server away."""
        shutil.rmtree(self.folder / "mnesia", ignore_errors=True)

    def remove(self) -> None:
        """Ends the server and its epmd, and removes their data."""
        self.kill()
        if self._epmd is not None:
            self._epmd.kill()
            self._epmd.wait()
        super().remove()

"""Tokens of SoftHSM2 (Debian's package): a real PKCS#11 module whose tokens are files."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

_LIST = """
import sys, pkcs11
_, module, label, pin = sys.argv
with pkcs11.lib(module).get_token(token_label=label).open(user_pin=pin) as session:
    for key in session.get_objects({pkcs11.Attribute.CLASS: pkcs11.ObjectClass.PRIVATE_KEY}):
        print(key.label)
"""


class SoftHsm:
    """A folder of tokens. The module reads where it is when it is loaded, so there is one for each test process."""

    module = "/usr/lib/softhsm/libsofthsm2.so"
    pin = "1234"

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="blazon-softhsm-", dir="/tmp"))
        self._tokens = self.folder / "tokens"
        self._tokens.mkdir()
        configuration = self.folder / "softhsm2.conf"
        configuration.write_text(
            f"directories.tokendir = {self._tokens}\nobjectstore.backend = file\nlog.level = ERROR\n"
        )
        os.environ["SOFTHSM2_CONF"] = str(configuration)

    def add_token(self, label: str) -> None:
        """Makes a token."""
        command = ["softhsm2-util", "--init-token", "--free", "--label", label, "--so-pin", "4321", "--pin", self.pin]
        subprocess.run(command, check=True, capture_output=True)

    def keys(self, label: str) -> list[str]:
        """The names of the private keys in a token, as another process sees them."""
        command = [sys.executable, "-c", _LIST, self.module, label, self.pin]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()

    def take_away(self) -> None:
        """All tokens are gone, as when the cable is pulled."""
        self._tokens.rename(self.folder / "away")

    def give_back(self) -> None:
        """They are there again."""
        (self.folder / "away").rename(self._tokens)

    def remove(self) -> None:
        """Removes the tokens for good."""
        shutil.rmtree(self.folder, ignore_errors=True)
        os.environ.pop("SOFTHSM2_CONF", None)

"""What people and devices have: certificates, certificate requests and private keys, in files and in messages.

It finds them in any usual form and names what is something else. It does not judge them, knows no clock, no storage and
no network, and imports nothing of the rooms: the API and the command line both read with it.
"""

from blazon.pkix.files import LARGEST, Contents, read_contents
from blazon.pkix.keys import EncodedKey, read_key

__all__ = ["LARGEST", "Contents", "EncodedKey", "read_contents", "read_key"]

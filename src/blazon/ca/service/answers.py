"""Signed OCSP answers that are kept, and which of them are to be signed again before their time is over."""

from collections import OrderedDict
from typing import Final

__all__ = ["Answer", "Answers"]

_MOST: Final = 100_000
_MOST_BYTES: Final = 64 * 1024 * 1024
_EACH: Final = 700
"""Bytes an answer takes besides its octets: the object, its places in the tables."""

_WAYS: Final = 8

_LONGEST: Final = 512
"""Octets of a request whose answer is kept. One certificate takes 200 with the longest hash; what is longer says things
besides, of which there is any number for one certificate."""


class Answer:
    """An OCSP response as DER; times are Unix seconds.

    An answer that may be kept says so by its times: it is handed out until `until`, and signed anew from `renew_at` on
    when somebody asked for it since it was signed. An error, an answer to a nonce, and one about a certificate that is
    not known have none.
    """

    __slots__ = ("asked", "next_update", "renew_at", "response", "serial", "this_update", "until")

    def __init__(self, response: bytes, serial: str = "", this_update: int = 0, lifetime: int = 0) -> None:
        self.response = response
        self.serial = serial
        self.this_update = this_update
        self.next_update = this_update + lifetime
        # Whoever gets it may rely on it for half of its time at least; the last quarter of ours is for renewing.
        self.until = this_update + lifetime // 2
        self.renew_at = this_update + 3 * lifetime // 8
        self.asked = False

    @property
    def may_be_kept(self) -> bool:
        """Whether it says the same to whoever asks in these words, for some time."""
        return self.until > self.this_update


class Answers:
    """Answers by request, in the order in which they were signed; bounded in number and in bytes, the oldest go."""

    def __init__(self) -> None:
        # By request, as clients ask in the same words again and again; by serial number, so that a change finds them.
        self._kept: OrderedDict[bytes, Answer] = OrderedDict()
        self._requests: dict[str, set[bytes]] = {}
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, request: bytes, now: int) -> Answer | None:
        """The answer to a request, while it is good. That it was asked for is noted."""
        found = self._kept.get(request)
        if found is None or found.until <= now:
            return None
        found.asked = True
        return found

    def keep(self, request: bytes, answer: Answer) -> None:
        """Keeps an answer, in the place of one that was there. One to a long request is not worth its place."""
        if len(request) > _LONGEST:
            return
        self._drop(request)
        requests = self._requests.setdefault(answer.serial, set())
        if len(requests) >= _WAYS:  # one certificate can be asked for in any number of ways
            self.forget(answer.serial)
            requests = self._requests[answer.serial] = set()
        requests.add(request)
        self._kept[request] = answer
        self._bytes += _size(request, answer)
        while len(self._kept) > _MOST or self._bytes > _MOST_BYTES:
            self._drop(next(iter(self._kept)))

    def forget(self, serial: str) -> None:
        """Drops the answers about a certificate."""
        for request in tuple(self._requests.get(serial, ())):
            self._drop(request)

    def clear(self) -> None:
        """Drops every answer."""
        self._kept.clear()
        self._requests.clear()
        self._bytes = 0

    def take_due(self, now: int) -> tuple[bytes, Answer] | None:
        """Takes out the oldest answer that is to be signed anew, with its request; None when there is none.

        What nobody asked for again is dropped on the way: it is signed when somebody does.
        """
        while self._kept:
            request, oldest = next(iter(self._kept.items()))
            if oldest.renew_at > now:
                return None
            self._drop(request)
            if oldest.asked and oldest.until > now:
                return request, oldest
        return None

    def _drop(self, request: bytes) -> None:
        answer = self._kept.pop(request, None)
        if answer is None:
            return
        self._bytes -= _size(request, answer)
        requests = self._requests[answer.serial]
        requests.discard(request)
        if not requests:
            del self._requests[answer.serial]


def _size(request: bytes, answer: Answer) -> int:
    return len(request) + len(answer.response) + _EACH

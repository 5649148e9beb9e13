"""The facade of this room for the rooms above: what they may issue, as procedures for them to commit."""

from collections.abc import Sequence

from blazon.ca.models import Owner
from blazon.ca.service.certificates import Certificates, SignDraft
from blazon.ca.service.intents import Intents
from blazon.caller import Caller
from blazon.log import Log, Procedure, Record

__all__ = ["Issuance"]


class Issuance:
    """Issues certificates together with what another room records. The rules are those of `Certificates`."""

    def __init__(self, log: Log, certificates: Certificates, intents: Intents) -> None:
        self._log = log
        self._certificates = certificates
        self._intents = intents

    def certificate(self, caller: Caller, ca: str, draft: SignDraft, *, owner: Owner = Owner.EXTERNAL) -> Procedure:
        """The procedure that issues a certificate, with the caller's rights."""
        return self._certificates.signing(caller, ca, draft, owner=owner)

    async def perform(self, caller: Caller, *procedures: Procedure) -> Sequence[Record]:
        """`Log.perform`, which goes on to its end when who waits for it is gone: an engine cannot be stopped."""
        return await self._intents.to_the_end(self._log.perform(caller, *procedures))

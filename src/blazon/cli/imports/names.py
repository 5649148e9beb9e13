"""Finding users and channels that many rows name, each once."""

import click

from blazon.cli.client import Api, ApiError
from blazon.errors import Malformed

__all__ = ["Names"]


class Names:
    """Ids by what they are named. Callable as `Find`."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._ids: dict[tuple[str, str], str] = {}
        self._wrong: dict[tuple[str, str], str] = {}

    def __call__(self, noun: str, named: str) -> str:
        """The id. Raises Malformed when there is none, ApiError when nobody can say."""
        asked = (noun, named)
        if asked not in self._ids and asked not in self._wrong:
            try:
                self._ids[asked] = self._api.user_id(named) if noun == "user" else self._api.id_of(noun, named)
            except click.UsageError as error:
                self._wrong[asked] = error.message
            except ApiError as error:
                if error.status in (0, 401) or error.status >= 500:
                    raise
                self._wrong[asked] = error.reason
        if asked in self._wrong:
            raise Malformed(self._wrong[asked])
        return self._ids[asked]

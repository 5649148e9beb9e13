"""Conditions of SQL, with their parameters."""

from collections.abc import Mapping

from blazon.storage import Value

__all__ = ["Where"]


class Where:
    """The conditions of a list, gathered one after the other."""

    def __init__(self) -> None:
        self._conditions: list[str] = []
        self.parameters: list[Value] = []

    def add(self, condition: str, *parameters: Value) -> None:
        """One more condition that must hold."""
        self._conditions.append(condition)
        self.parameters += parameters

    def add_given(self, given: Mapping[str, Value]) -> None:
        """Equality for each column whose value was given."""
        for column, value in given.items():
            if value is not None:
                self.add(f"{column} = ?", value)

    def __str__(self) -> str:
        return " WHERE " + " AND ".join(self._conditions) if self._conditions else ""

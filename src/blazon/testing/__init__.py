"""Conformance suites: what every database, crypto engine and relay of Blazon must do, whoever wrote it.

Each module here has one suite, a class of pytest tests: `databases.DatabaseSuite`, `engines.EngineSuite`,
`relays.RelaySuite`. To test an implementation, subclass the suite under a name that begins with `Test`, and override
the fixture that opens or makes the implementation. `toy` is a small room, for tests that need a log.

The package needs pytest and anyio, which the extra `testing` installs. Nothing of Blazon imports it.
"""

import pytest

__all__: list[str] = []

# So that a failed assertion of a suite shows its values, as one of a test file does.
pytest.register_assert_rewrite("blazon.testing.databases", "blazon.testing.engines", "blazon.testing.relays")

"""Making many things or channels from a file: `blazon things import`, `blazon channels import`.

The id a row gets is made from what it says, so the same row never makes two things, however often the import is run
again. It changes nothing that is there already.
"""

from blazon.cli.imports.command import add_import

__all__ = ["add_import"]

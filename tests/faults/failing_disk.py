"""`blazon up` whose disk fails to make its database safe for as long as a file is there.

Use: python -m tests.faults.failing_disk FILE up
What SQLite writes is written, as into a kernel's memory; fsync says that it failed.
"""

import os
import sys
from typing import Any

import apsw

failing = ""


class _Disk(apsw.VFS):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__("failing", base="unix", makedefault=True)

    def xOpen(self, name: Any, flags: list[int]) -> "_File":  # noqa: N802 - apsw names it
        return _File("unix", name, flags)


class _File(apsw.VFSFile):  # type: ignore[misc]
    def xSync(self, flags: int) -> None:  # noqa: N802 - apsw names it
        if os.path.exists(failing):
            raise apsw.IOError("fsync failed")
        super().xSync(flags)


if __name__ == "__main__":
    from blazon.cli.main import main

    failing = sys.argv[1]
    disk = _Disk()
    sys.argv = ["blazon", *sys.argv[2:]]
    main()

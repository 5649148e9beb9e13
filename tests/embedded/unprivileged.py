"""An embedded Redis started by somebody who is not root, and may not do everything with its files.

Use: python -m tests.embedded.unprivileged FOLDER PATH MODE
It fills the folder, gives the path in it the mode, starts Redis on it again, and prints how many entries there are, and
how many folders were put aside.
"""

import asyncio
import os
import sys
from pathlib import Path

from blazon.embedded.datafolder import kept_aside
from tests.embedded.support import fill, started

_NOBODY = 65534


async def main(folder: Path, path: str, mode: int) -> None:
    """Does it."""
    await fill(folder)
    (folder / path).chmod(mode)
    async with started(folder) as server:
        await server.until_well()
        print(await server.call("XLEN", "stream"), len(kept_aside(folder)))


if __name__ == "__main__":
    if os.geteuid() == 0:
        os.chown(Path(sys.argv[1]).parent, _NOBODY, _NOBODY)
        os.setegid(_NOBODY)
        os.seteuid(_NOBODY)
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3], 8)))

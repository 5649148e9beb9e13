"""`python -m bench [commit] [http] [issuing] [pki] [relays] [folding] [starting] [things] [hostile]`.

All of them if none is named.
"""

import signal
import sys
from collections.abc import Callable

from bench import commit, folding, hostile, http, issuing, pki, relays, starting, things
from bench.report import Report

_BENCHES: dict[str, Callable[[Report], None]] = {
    "starting": starting.run,
    "commit": commit.run,
    "http": http.run,
    "issuing": issuing.run,
    "pki": pki.run,
    "relays": relays.run,
    "folding": folding.run,
    "things": things.run,
    "hostile": hostile.run,
}


def main() -> None:
    wanted = sys.argv[1:] or list(_BENCHES)
    unknown = [name for name in wanted if name not in _BENCHES]
    if unknown:
        sys.exit(f"there is no benchmark {', '.join(unknown)}; there are: {', '.join(_BENCHES)}")
    # Ended by SIGTERM, it still removes its servers and their folders.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    report = Report()
    for name in wanted:
        _BENCHES[name](report)
    print(f"kept in {report.keep()}")


if __name__ == "__main__":
    main()

"""Let fifty partners read and write for a minute (or `SECONDS`), without an error, a lost write or a deadlock.

Uses the service and the partners of the tests. Fails if an answer was no success or an acknowledged write is missing.
"""

import asyncio
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from support.concurrent_partners import Work
from support.killable_service import killable_service

PARTNERS = 50
SECONDS = float(os.environ.get("SECONDS", "60"))


async def work_until_the_end(work: Work) -> None:
    """Let the partners work in rounds until the time is up."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        await work.run(PARTNERS, rounds=5)


def main() -> None:
    """Run, count and look up every write."""
    with killable_service() as service:
        work = Work(service.url, service.dataset, patient=True)
        asyncio.run(work_until_the_end(work))
        print(f"{sum(work.answers.values()):,} answers: {dict(work.answers)}")
        assert set(work.answers) <= {200, 201}, work.answers
        asyncio.run(service.assert_kept(work))
        print(f"{len(work.acknowledged):,} acknowledged referrals are there, each step with its audit event")


if __name__ == "__main__":
    main()

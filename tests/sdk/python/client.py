"""segment-analytics-python as a server uses it: every type of call once, then numbered events of several people.

Arguments: the daemon's address, the write key, how many people there are, and "gzip" or "plain". Its default
settings, but for the wait of a batch that is not full. The test writes to stdin how many numbered events may have been
handed to the SDK by now. Where stdin ends, the client shuts the SDK down as its user would, prints what it believes of
its events, and ends.
"""

import json
import sys
from collections import Counter
from importlib.metadata import version

from segment.analytics import Client

LIBRARY = "segment-analytics-python"

address, write_key, people, encoding = sys.argv[1:5]
made = Counter()
failed = []


def note(error, items):
    """What the SDK gave up."""
    failed.extend(f"{error}" for _ in items)


analytics = Client(
    write_key,
    host=address,
    upload_interval=0.1,
    gzip=encoding == "gzip",
    on_error=note,
)


def call(kind, *arguments, **named):
    """Hands a call over."""
    made[kind] += 1
    accepted, _ = getattr(analytics, kind)(*arguments, **named)
    if not accepted:
        failed.append("the SDK's queue is full")


def every_call():
    """Each type once."""
    user = "caller"
    call("identify", user, {"email": "caller@klaviyo-demo.com", "plan": "gold"})
    call("track", user, "Called", {"price": 39.95})
    call("page", user, name="Home", properties={"path": "/"})
    call("screen", user, name="Start", properties={"tab": 1})
    call("group", user, "g1", {"name": "Guild"})
    call("alias", "caller-before", user)


def main():
    """Follows the test's numbers."""
    handed = 0
    for line in sys.stdin:
        if handed == 0:
            every_call()
        for number in range(handed, int(line)):
            person = f"person-{number % int(people)}"
            call("track", person, "Step", {"sequence": number + 1})
        handed = int(line)
    analytics.shutdown()
    words = {"library": LIBRARY, "version": version(LIBRARY), "made": made, "failed": failed}
    print(json.dumps(words), flush=True)


main()

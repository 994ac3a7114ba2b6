"""Reads damaged files, one after another, under limits of time and memory; a line of JSON for each that goes wrong.

usage: child.py KIND[,KIND...] FIRST COUNT [FOLDER]   FOLDER: where files that go wrong are kept
"""

from __future__ import annotations

import json
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).parents[1]))

from damage.kinds import KINDS

from atomgraph.errors import AtomgraphError

SECONDS = 10  # of CPU for one file
BYTES, TIMES = 1 << 30, 10  # beside the file's size times TIMES
FORBIDDEN = ("os.system", "subprocess.Popen", "os.exec", "os.posix_spawn", "os.fork", "socket.connect", "shutil.rmtree")


class Hang(BaseException):
    """Too much CPU time for one file."""


def stop(*_: object) -> None:
    raise Hang


def peak_reset() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def in_status(name: str) -> int:
    """A figure of /proc/self/status, in bytes."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1024


def main(kind_name: str, first: int, count: int, keep: Path | None) -> int:
    kind, events, wrong = KINDS[kind_name], [], 0
    watching = False

    def watch(event: str, args: object) -> None:
        if watching and event in FORBIDDEN:
            events.append(f"{event} {str(args)[:80]}")

    sys.addaudithook(watch)
    signal.signal(signal.SIGPROF, stop)
    with tempfile.TemporaryDirectory() as place:
        good = Path(place) / "good"
        good.mkdir()
        file, parts = kind.make(good)
        kind.read(file)  # whatever is loaded once is loaded
        contents = {path.name: path.read_bytes() for path in parts}
        size = sum(map(len, contents.values()))
        limit = in_status("VmSize") + BYTES + TIMES * size
        resource.setrlimit(resource.RLIMIT_AS, (limit + (512 << 20), resource.RLIM_INFINITY))
        refused = 0
        for number in range(first, first + count):
            random = Random(f"{kind_name} {number}")
            name = random.choice(list(contents))
            damaged = random.choice(kind.ways)(contents[name], random)
            for path in parts:
                path.write_bytes(contents[path.name] if path.name != name else damaged)
            before, began = in_status("VmRSS"), time.process_time()
            peak_reset()
            watching, outcome = True, ""
            signal.setitimer(signal.ITIMER_PROF, SECONDS)
            try:
                kind.read(file)
            except AtomgraphError as error:
                refused += 1
                if "\n" in str(error):
                    outcome = f"a message of several lines: {str(error)[:200]}"
            except Hang:
                outcome = f"more than {SECONDS} s of CPU: " + traceback.format_exc(limit=-3)
            except BaseException:
                outcome = traceback.format_exc(limit=-4)
            finally:
                signal.setitimer(signal.ITIMER_PROF, 0)
                watching = False
            grown = in_status("VmHWM") - before
            if grown > BYTES + TIMES * size:
                outcome += f"; {grown / 2**20:.0f} MB for {size} bytes"
            if events:
                outcome += f"; {events}"
                events.clear()
            if outcome:
                wrong += 1
                if keep is not None:
                    shutil.copytree(good, keep / f"{kind_name}-{number}", dirs_exist_ok=True)
                print(
                    json.dumps({"number": number, "seconds": time.process_time() - began, "what": outcome}), flush=True
                )
    print(json.dumps({"done": count, "wrong": wrong, "refused": refused}), flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    words = sys.argv[1:]
    keep_in = Path(words[3]) if len(words) > 3 else None
    sys.exit(max(main(kind, int(words[1]), int(words[2]), keep_in) for kind in words[0].split(",")))

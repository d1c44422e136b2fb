"""The long tests: those that are marked so, then every notebook and test at other moments, then all of them on a busy machine.

    python tests/soak.py                      everything
    python tests/soak.py busy 2028-02-29T12:00Z   these rounds only
"""
import os
import subprocess
import sys
from contextlib import contextmanager, nullcontext
from pathlib import Path
from time import perf_counter

ROOT = Path(__file__).resolve().parent.parent
MOMENTS = "2028-02-29T12:00Z", "2026-10-25T00:30Z", "2026-12-31T23:00Z"   # a leap day, a night of clock change, the last hour of a year
ROUNDS = "long", *MOMENTS, "busy"
HOURS = 4   # that a round may take; it ends one that hangs
SPIN = "import os\nparent = os.getppid()\nwhile os.getppid() == parent: sum(range(100_000))"


@contextmanager
def busy(n=8):
    "Processes that keep the machine busy; they end with the block, or with this process."
    children = [subprocess.Popen([sys.executable, "-c", SPIN]) for _ in range(n)]
    try: yield
    finally:
        for child in children: child.kill()
        for child in children: child.wait()


def commands(name):
    "What a round runs."
    pytest = [sys.executable, "-m", "pytest", "-q", "-n", "2", "--dist", "loadfile", "--no-loadscope-reorder", "tests"]
    return [[*pytest, "--soak", "--durations=60"]] if name == "long" else [[sys.executable, "docs/notebooks.py"], pytest]


def run(name):
    "The commands of a round that failed."
    env, end = {**os.environ, **({"AQW_NOW": name} if name in MOMENTS else {})}, perf_counter() + HOURS * 3600
    failed = []
    with busy() if name == "busy" else nullcontext():
        for command in commands(name):
            print(f"\n{name}: {' '.join(Path(word).name for word in command)}", flush=True)
            try: code = subprocess.run(command, cwd=ROOT, env=env, timeout=max(end - perf_counter(), 1)).returncode
            except subprocess.TimeoutExpired: code = f"{HOURS} h are over"
            if code: failed.append(f"{Path(command[-1]).name} ({code})")
    return failed


def main():
    unknown = set(sys.argv[1:]) - set(ROUNDS)
    if unknown: sys.exit(f"no round {', '.join(sorted(unknown))}; the rounds are {', '.join(ROUNDS)}")
    told = []
    for name in sys.argv[1:] or ROUNDS:
        begun = perf_counter()
        failed = run(name)
        told.append(f"{name:<18} {(perf_counter() - begun) / 60:6.1f} min   {'failed: ' + ', '.join(failed) if failed else 'passed'}")
    print("\n" + "\n".join(told))
    sys.exit(any("failed" in line for line in told))


if __name__ == "__main__": main()

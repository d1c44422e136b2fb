"What every worker does: time one call in a process of its own and print a line of JSON."
import json
import resource
import sys
from time import perf_counter


def timed(call):
    "What a call returns, and the seconds it took."
    start = perf_counter()
    result = call()
    return result, perf_counter() - start


def peak_mb():
    "The most memory that this process has held."
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss/(1e6 if sys.platform == "darwin" else 1024)


def report(**found): print(json.dumps(found))

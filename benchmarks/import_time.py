"Seconds that `import aq_workbench` takes in a new process, beside an import of pandas: best of five each, in turn."
import subprocess
import sys
from time import perf_counter


def seconds(code):
    start = perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return perf_counter() - start


times = {name: [] for name in ("pass", "import aq_workbench", "import pandas", "from aq_workbench import FeatureStore")}
for _ in range(5):
    for code in times: times[code].append(seconds(code))
for code, taken in times.items(): print(f"{min(taken):6.3f} s  {code}")
print(f"ratio to pandas: {min(times['import aq_workbench'])/min(times['import pandas']):.2f}")

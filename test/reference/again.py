"""Makes every committed reference number again and compares: python3 test/reference/again.py (needs torch and numpy).

Numbers are written with 8 or 9 digits, and other versions and processors round otherwise in the last of them: TOLERANCE is of the
largest number in the same list.
"""
import json
import math
import pathlib
import subprocess
import sys

TOLERANCE = 1e-6
FILES = {
    'maths_reference.py': 'maths.json',
    'diffusion_reference.py': 'diffusion_reference.json',
    'recognition_reference.py': 'recognition.json',
}


def differences(was, now, place=''):
    """Yields (place, difference) for all that is not the same."""
    if isinstance(was, dict) and isinstance(now, dict) and was.keys() == now.keys():
        for key in was:
            # The version that made them may differ.
            if key != 'torch':
                yield from differences(was[key], now[key], f'{place}.{key}')
    elif isinstance(was, list) and isinstance(now, list) and len(was) == len(now):
        if all(type(x) in (int, float) for x in was + now):
            scale = max([1e-3, *map(abs, was)])
            apart = [abs(a - b) / scale for a, b in zip(was, now)]
            # A maximum passes NaN by.
            yield place, math.nan if any(map(math.isnan, apart)) else max([0, *apart])
        else:
            for i, (a, b) in enumerate(zip(was, now)):
                yield from differences(a, b, f'{place}[{i}]')
    elif type(was) in (int, float) and type(now) in (int, float):
        yield place, abs(was - now) / max(1e-3, abs(was))
    elif was != now:
        yield place, float('inf')


here = pathlib.Path(__file__).parent
failed = False
for script, numbers in FILES.items():
    made = subprocess.run([sys.executable, here / script], check=True, capture_output=True, text=True).stdout
    found = list(differences(json.loads((here / numbers).read_text()), json.loads(made)))
    place, worst = max(found, key=lambda item: item[1])
    wrong = sum(not difference <= TOLERANCE for _, difference in found)
    print(f'{numbers}: {len(found)} lists of numbers, the largest difference {worst:.1e} at {place[1:]}; {wrong} too large')
    failed |= wrong > 0
sys.exit(failed)

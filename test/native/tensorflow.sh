#!/usr/bin/env bash
# Makes a copy of this checkout, in a new folder, on which the device `tensorflow` works:
#
#   test/native/tensorflow.sh FOLDER
#   cd FOLDER && npx cemiflow doctor
#
# The install script of @tensorflow/tfjs-node-gpu downloads libtensorflow 2.9.1 from a host of its own. Where that cannot be reached, the
# same C library is inside PyPI's tensorflow-cpu, and the addon's sources are inside the npm package. So the copy gets its packages by
# `npm ci` without scripts, the addon is compiled against the library of the wheel (of the same minor version, for the CPU), and both
# are put where @tensorflow/tfjs-node-gpu looks for them. For Linux on x64. Takes npm, python3 with venv, g++ and nm; nothing outside FOLDER is
# touched, and nothing of it is meant for users: doctor has their one line.
set -euo pipefail

tensorflow="tensorflow-cpu==2.9.3 --hash=sha256:9037ab0580b0dfcc054713490dd6c84a6e66ea32216488faadcc2e8f7a0abaa8"
headers=node-api-headers@1.9.0

[ $# -eq 1 ] || { echo "usage: $0 FOLDER" >&2; exit 2; }
for tool in npm python3 g++ nm; do
  command -v "$tool" >/dev/null || { echo "$0 needs $tool, which is not installed" >&2; exit 1; }
done
checkout=$(cd "$(dirname "$0")/../.." && pwd)
mkdir -p "$1"
[ -z "$(ls -A "$1")" ] || { echo "$1 is not empty" >&2; exit 1; }
cd "$1"
folder=$PWD
work=$folder/.tensorflow
mkdir "$work"

# What git knows or would add, as it is now: also what is not committed yet.
(cd "$checkout" && git ls-files -z --cached --others --exclude-standard | xargs -0 sh -c 'for f; do [ ! -e "$f" ] || cp --parents -P "$f" "$0"; done' "$folder")
npm ci --ignore-scripts --no-audit --no-fund --loglevel=error &
packages=$!
npm install --ignore-scripts --no-audit --no-fund --loglevel=error --prefix "$work" "$headers"

python3 -m venv "$work/python"
echo "$tensorflow" >"$work/requirements.txt"
# Its CPython does not matter: no Python will run it.
"$work/python/bin/pip" download --quiet --no-cache-dir --disable-pip-version-check --no-deps --only-binary=:all: \
  --python-version 3.10 --require-hashes --requirement "$work/requirements.txt" --dest "$work"
"$work/python/bin/python" - "$work" <<'PYTHON'
import glob, sys, zipfile
work = sys.argv[1]
with zipfile.ZipFile(glob.glob(f'{work}/*.whl')[0]) as wheel:
    for name in wheel.namelist():
        if name.startswith('tensorflow/include/tensorflow/') or name in (
            'tensorflow/libtensorflow_framework.so.2', 'tensorflow/python/_pywrap_tensorflow_internal.so'):
            wheel.extract(name, work)
PYTHON
wait "$packages"

package=$folder/node_modules/@tensorflow/tfjs-node-gpu
libraries=$package/deps/lib
mkdir -p "$libraries"
mv "$work/tensorflow/libtensorflow_framework.so.2" "$work/tensorflow/python/_pywrap_tensorflow_internal.so" "$libraries"

# The wheel's library has the C interface and Python's bindings in one. Those expect names of a Python, which are never called from C: they
# are given addresses, so that the library can be loaded.
nm --dynamic --undefined-only "$libraries/_pywrap_tensorflow_internal.so" |
  awk '$2 ~ /^_?Py/ { sub(/@.*/, "", $2); print "char " $2 "[512];" }' | sort -u >"$work/no_python.c"
gcc -shared -fPIC "$work/no_python.c" -o "$libraries/libno_python.so"

addon=$(node -p 'require("@mapbox/node-pre-gyp").find(process.argv[1])' "$package/package.json")
mkdir -p "$(dirname "$addon")"
g++ -shared -fPIC -O2 -std=c++17 -DNAPI_VERSION=8 \
  -I"$work/node_modules/node-api-headers/include" -I"$work/tensorflow/include" "$package"/binding/*.cc -o "$addon" \
  -L"$libraries" -Wl,--no-as-needed -lno_python -l:_pywrap_tensorflow_internal.so -l:libtensorflow_framework.so.2 \
  -Wl,--allow-shlib-undefined '-Wl,-rpath,$ORIGIN/../../deps/lib'
rm -rf "$work"
node build.mjs

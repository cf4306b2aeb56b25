#!/usr/bin/env bash
# Make .venv from the hash-locked requirements. Does nothing when it is already what the locks say.
#
#   TORCH=cpu|default   which build of torch; by default the CPU build where pip can find one
set -euo pipefail
cd "$(dirname "$0")/.."

python="${PYTHON:-}"
if [ -z "$python" ]; then
  for candidate in python3.11 python3 python; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; then python="$candidate"; break; fi
  done
fi
[ -n "$python" ] || { echo 'setup: no Python 3.11 found. Install it, or name it: make setup PYTHON=/path/to/python3.11' >&2; exit 2; }

stamp=.venv/.locked
locks=(requirements.txt requirements/*.txt scripts/setup.sh scripts/launchers.py)
want="$(sha256sum "${locks[@]}" | sha256sum | cut -d' ' -f1) ${TORCH:-auto}"
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$want" ]; then
  echo 'setup: .venv is up to date (reused)'
  exit 0
fi

started=$SECONDS
"$python" -m venv --clear .venv
.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt

# uv does not read pip's find-links, the usual home of a CPU build of torch.
export UV_FIND_LINKS="${UV_FIND_LINKS:-$("$python" -m pip config get global.find-links 2>/dev/null || true)}"
export UV_PYTHON=.venv/bin/python UV_LINK_MODE="${UV_LINK_MODE:-copy}"
install=(.venv/bin/uv pip install --quiet --no-deps --require-hashes)
if [ "${TORCH:-auto}" = default ]; then
  "${install[@]}" -r requirements/torch-default.txt
elif ! "${install[@]}" -r requirements/torch-cpu.txt 2>.venv/torch-cpu.log; then
  [ "${TORCH:-auto}" = auto ] || { cat .venv/torch-cpu.log >&2; exit 1; }
  echo 'setup: no CPU build of torch in reach; installing the default build (larger)'
  "${install[@]}" -r requirements/torch-default.txt
fi
"${install[@]}" -r requirements.txt -r requirements/dev.txt
.venv/bin/uv pip check --quiet || .venv/bin/uv pip check
# Else the first `make up` compiles these, in eight processes at once, each for itself; and where
# PYTHONDONTWRITEBYTECODE is set, every process does, each time: it doubles the start of a training job.
(cd .venv/lib/python3.11/site-packages && ../../../bin/python -m compileall -q -j 0 \
  -x '/tests?/|/plotly/validators/|/plotly/graph_objs/[a-z]' .) \
  >/dev/null 2>&1 || true  # a package may carry templates that are no Python
"$python" scripts/launchers.py  # the `slipstream` command, from any folder
echo "$want" > "$stamp"
echo "$((SECONDS - started))" > .venv/.seconds  # the demonstration tells it
echo "setup: .venv ready in $((SECONDS - started)) s"

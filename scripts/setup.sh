#!/usr/bin/env bash
# Make .venv from the hash-locked requirements. Does nothing when it is already what the locks say.
#
#   TORCH=cpu|default   which build of torch; by default the CPU build where pip can find one
#   COMPILE=0           leave the bytecode to whoever imports first; the next set-up without it makes it up
set -euo pipefail
cd "$(dirname "$0")/.."

python="${PYTHON:-}"
if [ -z "$python" ]; then
  for candidate in python3.11 python3 python; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; then python="$candidate"; break; fi
  done
fi
[ -n "$python" ] || { echo 'setup: no Python 3.11 found. Install it, or name it: make setup PYTHON=/path/to/python3.11' >&2; exit 2; }

stamp=.venv/.locked compiled=.venv/.compiled
locks=(requirements.txt requirements/*.txt scripts/setup.sh scripts/launchers.py)
want="$(sha256sum "${locks[@]}" | sha256sum | cut -d' ' -f1) ${TORCH:-auto}"
started=$SECONDS

install_all() {
  # Not in place: a set-up that is killed leaves no stamp, and the next one begins anew.
  echo 'setup: a virtual environment, and uv'
  "$python" -m venv --clear .venv
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt

  # uv does not read pip's find-links, the usual home of a CPU build of torch. It links files from its cache where that lies on
  # the same filesystem, and copies them where it does not: 3 s for 3 GB instead of 20.
  export UV_FIND_LINKS="${UV_FIND_LINKS:-$("$python" -m pip config get global.find-links 2>/dev/null || true)}"
  export UV_PYTHON=.venv/bin/python
  echo 'setup: torch'
  local install=(.venv/bin/uv pip install --quiet --no-deps --require-hashes)
  if [ "${TORCH:-auto}" = default ]; then
    "${install[@]}" -r requirements/torch-default.txt
  elif ! "${install[@]}" -r requirements/torch-cpu.txt 2>.venv/torch-cpu.log; then
    [ "${TORCH:-auto}" = auto ] || { cat .venv/torch-cpu.log >&2; exit 1; }
    echo 'setup: no CPU build of torch in reach; installing the default build (larger)'
    "${install[@]}" -r requirements/torch-default.txt
  fi
  echo 'setup: the other packages'
  "${install[@]}" -r requirements.txt -r requirements/dev.txt
  .venv/bin/uv pip check --quiet || .venv/bin/uv pip check
  "$python" scripts/launchers.py  # the `slipstream` command, from any folder
  echo "$want" > "$stamp"
  echo "$((SECONDS - started))" > .venv/.seconds  # the demonstration tells it
}

compile_all() {
  echo 'setup: bytecode'
  # Where PYTHONDONTWRITEBYTECODE is set, every process of a test or a command would compile what it imports, each time.
  # The platform's own processes write what they compile. A package may carry templates that are no Python.
  (cd .venv/lib/python3.11/site-packages && ../../../bin/python -m compileall -q -j 0 \
    -x '/tests?/|/plotly/validators/|/plotly/graph_objs/[a-z]' .) >/dev/null 2>&1 || true
  echo "$want" > "$compiled"
  echo "$((SECONDS - started + $(cat .venv/.seconds)))" > .venv/.seconds
}

up_to_date() { [ -f "$1" ] && [ "$(cat "$1")" = "$want" ]; }

reused=yes
up_to_date "$stamp" || { install_all; reused=; started=$SECONDS; }
if [ "${COMPILE:-1}" != 0 ] && ! up_to_date "$compiled"; then
  compile_all
  reused=
fi
if [ -n "$reused" ]; then
  echo 'setup: .venv is up to date (reused)'
else
  echo "setup: .venv ready in $(cat .venv/.seconds) s"
fi

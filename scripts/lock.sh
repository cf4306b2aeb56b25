#!/usr/bin/env bash
# Resolve pyproject.toml's dependencies and its group `dev` together and write the four hash-locked files.
# KEEP=1 scripts/lock.sh adds what is new and leaves every locked version as it is.
#
# torch is locked apart, once for each build (CPU, default): a lock that holds both installs the wrong one.
# Everything torch's default build brings with it (nvidia-*, cuda-*, triton) goes to that file alone.
set -euo pipefail
cd "$(dirname "$0")/.."
uv="${UV:-.venv/bin/uv}"
links="${UV_FIND_LINKS:-$(python3 -m pip config get global.find-links 2>/dev/null || true)}"
work="$(mktemp -d)"; trap 'rm -rf "$work"' EXIT

compile=("$uv" pip compile --quiet --python-version 3.11 --generate-hashes --no-header --no-annotate --upgrade)
if [ -n "${KEEP:-}" ]; then  # a new package without moving the others: what is locked stays
  grep -hoE '^[a-zA-Z0-9._-]+(\[[a-z,]+\])?==[^ ;]+' requirements.txt requirements/dev.txt requirements/torch-default.txt requirements/uv.txt > "$work/keep.txt"
  compile+=(-c "$work/keep.txt")
fi
"${compile[@]}" pyproject.toml --group dev -o "$work/all.txt"

torch_family() { grep -oE '^(torch|triton|nvidia-[a-z0-9-]+|cuda-[a-z]+)==' "$work/all.txt" | tr -d '=' ; }
omit=(); for name in $(torch_family); do omit+=(--no-emit-package "$name"); done

header() { printf '# Written by `make lock`: do not edit. %s\n' "$1"; }
"${compile[@]}" -c "$work/all.txt" "${omit[@]}" pyproject.toml -o "$work/base.txt"
"${compile[@]}" -c "$work/all.txt" "${omit[@]}" --group dev -o "$work/dev.txt"

{ header 'Everything but torch.'; cat "$work/base.txt"; } > requirements.txt
{ header 'Tests and linters.'; cat "$work/dev.txt"; } > requirements/dev.txt

version="$(grep -oE '^torch==[0-9.]+' "$work/all.txt" | head -1)"
{ header 'torch, default build (CUDA on Linux), with what only it needs.'
  names="$(torch_family | paste -sd'|')"
  awk -v names="^($names)==" '/^[a-zA-Z0-9]/ {keep = $0 ~ names} keep' "$work/all.txt"; } > requirements/torch-default.txt
if [ -n "$links" ]; then
  python3 -m pip download --quiet --no-deps --only-binary=:all: --dest "$work/cpu" "$version+cpu"
  { header 'torch, CPU build; needs a find-links or index that carries it.'
    echo "$version+cpu --hash=sha256:$(sha256sum "$work"/cpu/torch-*.whl | cut -d' ' -f1)"; } > requirements/torch-cpu.txt
else
  echo 'lock: no find-links configured for pip, requirements/torch-cpu.txt left as it is' >&2
fi
echo 'uv' | "${compile[@]}" - -o "$work/uv.txt"
{ header 'The installer.'; cat "$work/uv.txt"; } > requirements/uv.txt
wc -l requirements.txt requirements/*.txt

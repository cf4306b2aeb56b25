#!/usr/bin/env bash
# Write the digest of every image into docker/.env, as its registry gives it now. Needs docker with buildx, and the network.
set -euo pipefail
cd "$(dirname "$0")"
new="$(mktemp ./.env.XXXXXX)"; trap 'rm -f "$new"' EXIT
while IFS= read -r line; do
  case "$line" in
    *_IMAGE=*)
      image="${line#*=}"; image="${image%%@*}"
      digest="$(docker buildx imagetools inspect "$image" --format '{{.Manifest.Digest}}')"
      case "$digest" in sha256:*) ;; *) echo "pin-images: no digest for $image; docker/.env is as it was" >&2; exit 1;; esac
      line="${line%%=*}=$image@$digest" ;;
  esac
  printf '%s\n' "$line" >> "$new"
done < .env
chmod 0644 "$new"; mv "$new" .env; trap - EXIT
grep _IMAGE .env

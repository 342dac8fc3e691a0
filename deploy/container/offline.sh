#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Build the image where no container registry is reached, only Debian's packages and a Python index.
#
#   offline.sh build [TAG]       all of it: base, wheels, image (default tag homeport:local)
#   offline.sh base [NAME]       only an image with Python and Git, made of Debian's packages (needs mmdebstrap, root)
#   offline.sh context FOLDER    only a build context with its wheels; it can be carried to a machine without a network:
#                                docker build --network none --build-arg BASE=… --build-arg PACKAGES= FOLDER
#
# BASE names an image to build on. PYTHON (default python3) brings the pip that fetches the wheels; they are for the
# version of Python in VERSION (default: that of the base, or of this system).
set -eu
here=$(cd "$(dirname "$0")/../.." && pwd)
PYTHON=${PYTHON:-python3}
MADE=homeport-base:local

base() {
  suite=$(. /etc/os-release && echo "${VERSION_CODENAME:?this system has no name that mmdebstrap knows}")
  scratch=$(mktemp -d)
  trap 'rm -rf "$scratch"' EXIT
  mmdebstrap --quiet --mode=root --variant=extract --hook-dir=/usr/share/mmdebstrap/hooks/merged-usr \
    --include=base-files,base-passwd,ca-certificates,coreutils,dash,findutils,git,libc-bin,libstdc++6,python3,python3-venv \
    "$suite" "$scratch/base.tar" >"$scratch/log" 2>&1 || { cat "$scratch/log" >&2; exit 1; }
  docker import "$scratch/base.tar" "$1"
}

python_of_base() {
  if [ -n "${BASE:-}" ]; then set -- docker run --rm --network none --entrypoint python3 "$BASE"; else set -- /usr/bin/python3; fi
  "$@" -c 'import sys; print("%d.%d" % sys.version_info[:2])'
}

context() {
  VERSION=${VERSION:-$(python_of_base)}
  mkdir -p "$1/deploy/container" "$1/wheelhouse"
  cp -R "$here/Dockerfile" "$here/.dockerignore" "$here/requirements" "$here/pyproject.toml" "$here/README.md" \
    "$here/LICENSE" "$here/src" "$1/"
  cp "$here/deploy/container/health.py" "$1/deploy/container/"
  for pins in core build; do
    "$PYTHON" -m pip --disable-pip-version-check --quiet download --require-hashes --only-binary :all: \
      --python-version "$VERSION" --dest "$1/wheelhouse" -r "$here/requirements/$pins.txt"
  done
}

build() {
  folder=$(mktemp -d)
  trap 'rm -rf "$folder" "${scratch:-}"' EXIT
  VERSION=${VERSION:-$(python_of_base)}
  if [ -z "${BASE:-}" ]; then
    BASE=$MADE
    (base "$MADE") &
  fi
  context "$folder"
  wait ${!:+"$!"}
  docker build --network none --build-arg "BASE=$BASE" --build-arg PACKAGES= --tag "$1" "$folder"
}

case ${1:-} in
  build) build "${2:-homeport:local}" ;;
  base) base "${2:-$MADE}" ;;
  context) context "${2:?a folder for the context}" ;;
  *) sed -n '3,12s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac

#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# install.sh PYTHON ARGUMENT...: install into PYTHON's environment with uv (several times faster with a warm cache),
# or with pip where uv cannot, for example because only pip is told about the index of this network.
set -eu
python=$1
shift
if ! UV_PYTHON_DOWNLOADS=never UV_SYSTEM_CERTS=1 "$(dirname "$python")/uv" pip install --quiet --python "$python" "$@"; then
  echo "uv could not; trying pip" >&2
  exec "$python" -m pip --disable-pip-version-check --quiet install "$@"
fi

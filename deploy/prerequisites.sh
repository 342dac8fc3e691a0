#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# prerequisites.sh [--yes] [--with docker] [--with postgresql]: install what Homeport needs and this machine lacks, from
# the distribution's own packages. Shows the command and asks; without a terminal it needs --yes.
set -eu
yes= with=
while [ $# -gt 0 ]; do
  case $1 in
    --yes) yes=1 ;;
    --with) with="$with ${2:?--with what: docker or postgresql}"; shift ;;
    *) sed -n '3,4s/^# //p' "$0" >&2; exit 2 ;;
  esac
  shift
done

. "${OS_RELEASE:-/etc/os-release}"
family=
for id in ${ID:-} ${ID_LIKE:-}; do
  case $id in
    debian | ubuntu) family=debian ;;
    fedora | rhel | centos) family=fedora ;;
    arch) family=arch ;;
    suse | opensuse*) family=suse ;;
    *) continue ;;
  esac
  break
done
case $family in
  debian) install="apt-get install -y --no-install-recommends" python="python3 python3-venv" docker=docker.io server=postgresql ;;
  fedora) install="dnf install -y" python="python3" docker=moby-engine server=postgresql-server ;;
  arch) install="pacman -S --needed --noconfirm" python="python" docker=docker server=postgresql ;;
  suse) install="zypper --non-interactive install" python="python311" docker=docker server=postgresql-server ;;
  *)
    echo "${PRETTY_NAME:-this system} is not known here; install Python 3.11 or newer with venv, git and bubblewrap" >&2
    exit 1
    ;;
esac

missing=
lacks() { ! command -v "$1" >/dev/null 2>&1; }
python3 -c 'import ensurepip, venv' 2>/dev/null || missing="$missing $python"
if lacks git; then missing="$missing git"; fi
if lacks bwrap; then missing="$missing bubblewrap"; fi
for extra in $with; do
  case $extra in
    docker) if lacks dockerd && lacks podman; then missing="$missing $docker"; fi ;;
    postgresql) if lacks postgres && ! ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1; then missing="$missing $server"; fi ;;
    *) echo "--with $extra: only docker and postgresql are known" >&2; exit 2 ;;
  esac
done
if [ -z "$missing" ]; then
  echo "nothing is missing"
  exit 0
fi

root=
if [ "$(id -u)" != 0 ]; then
  lacks sudo && { echo "run this as root: $install$missing" >&2; exit 1; }
  root="sudo "
fi
echo "$root$install$missing"
if [ -z "$yes" ]; then
  [ -t 0 ] || { echo "nothing was installed: say --yes (make install-prerequisites YES=1)" >&2; exit 2; }
  printf 'go on? [y/N] '
  read -r answer
  case $answer in y | Y | yes) ;; *) echo "nothing was installed" >&2; exit 1 ;; esac
fi
export DEBIAN_FRONTEND=noninteractive
if [ "$family" = debian ]; then ${root}apt-get update -qq; fi
# Words of our own, split on purpose.
# shellcheck disable=SC2086
$root$install $missing
python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed" >&2; exit 1; }

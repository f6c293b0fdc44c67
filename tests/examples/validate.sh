#!/usr/bin/env bash
# Asks the schemas and tools of the systems that the examples are for; `make examples` runs it. What is not installed is said.
# usage: validate.sh VENV, with check-jsonschema, kubernetes-validate and ansible-core
set -euo pipefail
bin=$(cd "$1/bin" && pwd)
cd "$(dirname "$0")/../../examples"

"$bin/check-jsonschema" --builtin-schema vendor.github-workflows github-actions.yml
"$bin/check-jsonschema" --builtin-schema vendor.gitlab-ci gitlab-ci.yml
"$bin/check-jsonschema" --builtin-schema vendor.compose-spec docker/compose.yaml
"$bin/kubernetes-validate" --strict kubernetes.yaml kubernetes-watch.yaml
(cd ansible && PATH="$bin:$PATH" ansible-playbook --syntax-check --inventory inventory.ini fleet.yml)

if command -v promtool; then
  (cd prometheus && promtool check rules alerts.yml && promtool test rules alerts-test.yml)
else
  echo "skipped: promtool is not installed"
fi

if command -v systemd-analyze; then
  # The programs need not be installed here: each is replaced by one that is.
  units=$(mktemp -d)
  trap 'rm -r "$units"' EXIT
  for unit in systemd/*; do
    sed -E 's,^(Exec[A-Za-z]+=)/opt/[^ ]+,\1/bin/true,; /^User=/d' "$unit" > "$units/$(basename "$unit")"
  done
  words=$(systemd-analyze verify --man=no "$units"/* 2>&1) || true
  [ -z "$words" ] || { echo "$words"; exit 1; }
  echo "systemd-analyze verify: ok"
else
  echo "skipped: systemd-analyze is not installed"
fi

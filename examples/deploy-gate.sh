#!/usr/bin/env bash
# Lets a deploy go on only when the embeddings server that was just launched is up and its vectors are right.
# usage: deploy-gate.sh [BASE_URL]       without one, the newest sglang server of this machine
# exit status: that of bgecheck: 0 go on, 1 a problem, 3 still starting after the wait, 4 could not be judged
set -u
bgecheck=${BGECHECK:-bgecheck}
where=()
[ $# -gt 0 ] && where=(--url "$1")

"$bgecheck" doctor "${where[@]}" --wait "${WAIT:-5m}" -o table -o json="${REPORT:-bgecheck-report.json}"
status=$?
case $status in
  0) echo "deploy-gate: go on" ;;
  3) echo "deploy-gate: still starting after ${WAIT:-5m}, see the log" >&2 ;;
  *) echo "deploy-gate: stopped, see the root cause above and ${REPORT:-bgecheck-report.json}" >&2 ;;
esac
exit $status

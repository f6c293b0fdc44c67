#!/usr/bin/env bash
# The check-up that the deployment guide recommends: who holds the port, the end of the log, GPU memory, an answer.
# usage: guide.sh PORT LOG
lsof -i ":$1"
tail -n 20 "$2"
nvidia-smi
curl -sS --noproxy '*' "http://127.0.0.1:$1/health"
exit 0

#!/usr/bin/env bash
# README's tour, played on one machine: three homes stand for three machines of a household.
#
#   . .venv/bin/activate && docs/examples/household.sh [FOLDER]
#
# FOLDER (this project's documents, if none is named) goes into a Common on one of them, and comes out on the
# others, equal to the byte; then the witness is killed and comes back, and nothing is lost. What it makes is in a
# temporary folder that is removed at the end. On three real machines the same commands are typed without
# `--home`, and `asl up` without options: machines on one network find each other.
set -euo pipefail

folder=${1:-$(dirname "${BASH_SOURCE[0]}")/..}
scratch=$(mktemp -d)
daemons=()
trap 'kill "${daemons[@]}" 2>/dev/null; wait; rm -rf "$scratch"' EXIT

# on MACHINE WORDS…: what is typed on that machine, shown as it is typed
on() {
    local machine=$1
    shift
    printf '%s$ asl %s\n' "$machine" "$*" >&2
    asl --home "$scratch/$machine" "$@"
}

# up MACHINE: its daemon, in another terminal as it were; comes back when the daemon answers
up() {
    printf '%s$ asl up\n' "$1" >&2
    asl --home "$scratch/$1" up --listen 127.0.0.1 --no-mdns 2>>"$scratch/$1.log" &
    daemons+=($!)
    eventually asl --home "$scratch/$1" peers
}

# eventually COMMAND…: until it works, for two minutes at most
eventually() {
    local tries=600
    until "$@" >"$scratch/last" 2>&1; do
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || { cat "$scratch/last" "$scratch"/*.log >&2; return 1; }
        sleep 0.2
    done
}

# sums FOLDER: the SHA-256 of every file in it
sums() { (cd "$1" && find . -name .asl-checkout -prune -o -type f -print0 | sort -z | xargs -0 sha256sum); }

on kitchen init home --name kitchen
up kitchen
invite=$(on kitchen invite --uses 2 --no-qr)
for machine in study attic; do
    on $machine join "$invite" --name $machine
    up $machine
    eventually asl --home "$scratch/$machine" ls
done

on study put -r "$folder/" papers/
on study ls papers/
date >"$scratch/today"
on attic put "$scratch/today" notes/today

for machine in kitchen study attic; do
    eventually asl --home "$scratch/$machine" get notes/today -o "$scratch/$machine-today"
    eventually asl --home "$scratch/$machine" checkout "$scratch/$machine-files"
    diff <(sums "$folder") <(sums "$scratch/$machine-files/papers")
    cmp "$scratch/today" "$scratch/$machine-today"
done

kill -KILL "${daemons[0]}" # the power fails in the kitchen
echo "while the kitchen was dark" | on attic put - notes/dark
up kitchen
eventually asl --home "$scratch/kitchen" get notes/dark -o "$scratch/dark"
on kitchen log notes/
on attic status
on kitchen status
echo "All three machines have the same $(sums "$folder" | wc -l) files, and every version of them."

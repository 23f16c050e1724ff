#!/bin/sh
# The whole release: the sdist, two wheels that two builders make of it at the same time, a test of
# what people would install; then it is published, or else discarded.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
WORK=${WORK:-$PWD/work}
mkdir -p "$WORK"

# Each step remembers its sessions in a place of its own, as on a machine of its own.
step() {
    name=$1
    shift
    XDG_STATE_HOME=$(mktemp -d "$WORK/state.XXXXXX") "$here/$name" "$@"
}

checked() {
    step 1-stage-sdist.sh || return
    step 2-add-wheel.sh any & first=$!
    step 2-add-wheel.sh win_amd64 & second=$!
    wait "$first" && built=yes || built=no
    wait "$second" || built=no
    [ "$built" = yes ] || return
    step 3-install-test.sh
}

session() { sed -n 's/^session_url=//p' "$WORK/session"; }

if checked; then
    step 4-publish.sh "$(session)"
else
    [ ! -e "$WORK/session" ] || step 5-discard.sh "$(session)"
    exit 1
fi

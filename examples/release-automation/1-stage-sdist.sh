#!/bin/sh
# Build the source distribution and stage it, which opens the draft. Needs STAGE_TOKEN.
# Leaves the session's address in $WORK/session, for those who publish or discard it.
. "$(dirname "$0")/settings.sh"
export TWINE_PASSWORD="$STAGE_TOKEN"

rm -rf "$WORK/sdist" "$WORK/session"
"$PYTHON" -m build --sdist --no-isolation --outdir "$WORK/sdist" "$PROJECT" >/dev/null
twine stage --variables "$WORK/session" "$WORK"/sdist/*.tar.gz

#!/bin/sh
# Throw all of it away: the version is free again, as if nothing had been uploaded.
# Needs DISCARD_TOKEN, and the session's address as its argument.
. "$(dirname "$0")/settings.sh"
export TWINE_PASSWORD="$DISCARD_TOKEN"

twine session cancel "$1"

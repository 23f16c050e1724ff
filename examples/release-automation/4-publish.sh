#!/bin/sh
# Make all of it public, at once. Needs PUBLISH_TOKEN, and the session's address as its argument.
. "$(dirname "$0")/settings.sh"
export TWINE_PASSWORD="$PUBLISH_TOKEN"

twine session publish "$1"

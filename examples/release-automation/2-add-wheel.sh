#!/bin/sh
# Build a wheel for one platform from the sdist that is in the draft, and add it to the same draft.
# Needs STAGE_TOKEN, and the platform as its argument; any number of these may run at a time.
. "$(dirname "$0")/settings.sh"
export TWINE_PASSWORD="$STAGE_TOKEN"
platform=$1

stage=$(draft_address)
rm -rf "$WORK/wheel-$platform"
# From the draft and nowhere else: this is what will be published. Without pip's cache, which has
# one wheel for an sdist, whichever platform it was built for.
"$PYTHON" -m pip --quiet --no-cache-dir wheel --no-deps --no-build-isolation --no-binary :all: \
    --config-setting "platform=$platform" --index-url "$stage" \
    --wheel-dir "$WORK/wheel-$platform" "$RELEASE"
twine stage "$WORK/wheel-$platform"/*.whl

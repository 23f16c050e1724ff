#!/bin/sh
# Install the draft into fresh environments, once from a wheel and once from the sdist, and test
# what was installed. Needs STAGE_TOKEN, to ask for the address; whoever has it needs no token.
. "$(dirname "$0")/settings.sh"
export TWINE_PASSWORD="$STAGE_TOKEN"

stage=$(draft_address)
for kind in only-binary no-binary; do
    environment="$WORK/environment-$kind"
    "$PYTHON" -m venv --clear --without-pip "$environment"
    "$PYTHON" -m pip --quiet --python "$environment/bin/python" install --no-build-isolation \
        "--$kind" "$NAME" --extra-index-url "$stage" "$RELEASE"
    (cd "$PROJECT/tests" && "$environment/bin/python" -m unittest --quiet)
done

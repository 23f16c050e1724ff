# What all steps need. Each is written as if it ran on a machine of its own: builders and tests
# know the project's name and its version, and who publishes or discards knows the session.
set -eu

: "${INDEX_URL:?the address of the index, such as http://127.0.0.1:6543}"
PROJECT=${PROJECT:-$(cd "$(dirname "$0")" && pwd)/project}
WORK=${WORK:-$PWD/work}
PYTHON=${PYTHON:-python3}

export TWINE_REPOSITORY_URL="$INDEX_URL/legacy/" TWINE_USERNAME=__token__
export TWINE_NON_INTERACTIVE=1 PIP_INDEX_URL="$INDEX_URL/simple/"

value() { sed -n "s/^$1 = \"\(.*\)\"$/\1/p" "$PROJECT/pyproject.toml"; }
NAME=$(value name)
VERSION=$(value version)
RELEASE="$NAME==$VERSION"

twine() { "$PYTHON" -m twine "$@"; }

# The draft's address, asked for by project and version: GET /api/drafts/<project>/<version>.
draft_address() {
    twine session status --json "$RELEASE" |
        "$PYTHON" -c 'import json, sys; print(json.load(sys.stdin).get("stage-url") or sys.exit(1))'
}

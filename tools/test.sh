#!/bin/sh
# Passes the tests on a machine that has Python 3.11 or later and git:
#
#     sh tools/test.sh                        everything: format, lint, layers, types, tests
#     sh tools/test.sh tests/core -k retry    the tests alone; arguments go to pytest
#
# Installs what the tests use besides Python packages with apt-get when it may, and says what is
# missing when it may not. Everything else lands in folders of the checkout that git ignores, in
# the usual caches of pip and Maven, and (the Elasticsearch servers) beside those.
#
# TASQUES_TEST_ES_URL   run on this cluster; no Java and Maven are needed then
# PYTHON                the Python to use, default python3

set -eu
cd "$(dirname "$0")/.."

say() { printf 'tools/test.sh: %s\n' "$*" >&2; }

has() { command -v "$1" >/dev/null 2>&1; }

# True if $1 runs and is Java 17 or later.
is_java() {
    version=$("$1" -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p' | head -n 1)
    [ "${version:-0}" -ge 17 ]
}

has_java() {
    for java in "${JAVA_HOME:-}/bin/java" "$(command -v java || true)" /usr/lib/jvm/*/bin/java; do
        if [ -x "$java" ] && is_java "$java"; then return 0; fi
    done
    return 1
}

# The Debian packages that are missing, one a line.
missing_packages() {
    if [ -z "${TASQUES_TEST_ES_URL:-}" ]; then
        has_java || echo default-jre-headless
        has mvn || echo maven
    fi
    has chromium || echo chromium
    has chromedriver || echo chromium-driver
    has zsh || echo zsh
    has fish || echo fish
}

install_packages() {
    packages=$(missing_packages | tr '\n' ' ')
    [ -n "$packages" ] || return 0
    if [ "$(id -u)" -ne 0 ] || ! has apt-get; then
        say "missing: $packages"
        say "These are Debian's names. Install them, or run this as root where there is apt-get."
        exit 1
    fi
    say "installing $packages"
    log=$(mktemp)
    # shellcheck disable=SC2086 # a list of words on purpose
    if ! {
        apt-get update &&
            DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends $packages
    } >"$log" 2>&1; then
        tail -n 20 "$log" >&2
        say "apt-get could not install: $packages"
        exit 1
    fi
    rm -f "$log"
    packages=$(missing_packages | tr '\n' ' ')
    if [ -n "$packages" ]; then
        say "still missing after apt-get: $packages (Java must be 17 or later)"
        exit 1
    fi
}

install_tox() {
    tox=.tox-bootstrap/bin/tox
    # Run, not only looked for: an environment dies with the Python it was made from.
    if "$tox" --version >/dev/null 2>&1; then return 0; fi
    python=${PYTHON:-python3}
    if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        if [ -z "${PYTHON:-}" ] && has python3.11; then
            python=python3.11
        else
            say "missing: Python 3.11 or later as $python (PYTHON names another)"
            exit 1
        fi
    fi
    say "installing tox into .tox-bootstrap"
    rm -rf .tox-bootstrap
    if ! "$python" -m venv .tox-bootstrap; then
        say "missing: the venv module of $python (Debian: python3-venv)"
        exit 1
    fi
    .tox-bootstrap/bin/python -m pip install --quiet --disable-pip-version-check 'tox>=4.20,<5'
}

install_packages
install_tox
if [ "$#" -gt 0 ]; then
    exec "$tox" run -e tests -- "$@"
fi
exec "$tox" run

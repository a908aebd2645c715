# Functions for unpacking packages of Debian 13 or Ubuntu LTS into .toolchain/: no root, and nothing outside it changes.
# Sourced by scripts that have set $root, and $advice: what a user can do where this does not work.
# shellcheck shell=bash disable=SC2154

toolchain=$root/.toolchain

note() { printf '%s\n' "$*" >&2; }
fail() { note "$(basename "$0" .sh): $*"; exit 1; }
have_apt() { command -v apt-get > /dev/null && command -v dpkg-deb > /dev/null; }

# A folder to work in, beside what it will become. Those of killed runs are removed after an hour.
temporary_folder() {
  mkdir -p "$toolchain"
  find "$toolchain" -maxdepth 1 -name 'unfinished.*' -mmin +60 -exec rm -rf {} +
  mktemp -d "$toolchain/unfinished.XXXXXX"
}

# publish FOLDER NAME: the finished FOLDER becomes NAME in one step, so that an interrupted installation leaves nothing
# that looks finished. Where another process was quicker, its copy stays.
publish() {
  mv -T "$1" "$2" 2> /dev/null || [ -d "$2" ] || fail "cannot write $2."
}

# The machine's own package archives, one address a line, whatever the format of its source lists. Security archives
# hold no whole suite. Without --no-release-info, apt shows only archives whose package lists it has fetched.
archives() {
  # shellcheck disable=SC2016 # apt's own variables
  apt-get indextargets --no-release-info --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
    awk '$3 == "main" && $1 !~ /security/ && $2 !~ /security/ && !seen[$1]++ { print $1 }'
}

# private_apt DIR COMMAND...: apt-get with lists, cache and status of its own in DIR, so that the system's stay as they
# are. The empty status file makes apt resolve the whole set of dependencies. Signatures are always verified.
private_apt() {
  local dir=$1
  shift
  apt-get -qq \
    -o Dir::Etc::SourceList="$dir/sources.list" -o Dir::Etc::SourceParts=/dev/null \
    -o Dir::Etc::Preferences=/dev/null -o Dir::Etc::PreferencesParts=/dev/null \
    -o Dir::State="$dir/state" -o Dir::State::Lists="$dir/lists" -o Dir::State::Status="$dir/status" \
    -o Dir::Cache="$dir/cache" -o APT::Install-Recommends=false -o Acquire::Languages=none \
    -o APT::Get::AllowUnauthenticated=false -o Acquire::AllowInsecureRepositories=false \
    -o Acquire::Retries=4 -o APT::Update::Error-Mode=any -o APT::Sandbox::User="$(id -un)" "$@"
}

# select_suite DIR: writes DIR/sources.list for the first archive that serves the suite, and fetches its package list.
select_suite() {
  local dir=$1 keyring suite components archive
  if [ -f /usr/share/keyrings/ubuntu-archive-keyring.gpg ]; then
    # The first LTS with Emscripten >= 3.1.69. Not tested yet: development machines run Debian.
    keyring=/usr/share/keyrings/ubuntu-archive-keyring.gpg suite=resolute components='main universe'
  elif [ -f /usr/share/keyrings/debian-archive-keyring.gpg ]; then
    keyring=/usr/share/keyrings/debian-archive-keyring.gpg suite=trixie components=main
  else
    fail "no Debian or Ubuntu archive keyring here to verify packages with: $advice."
  fi
  : > "$dir/status"
  mkdir -p "$dir"/{state,lists/partial,cache/archives/partial}
  for archive in $(archives); do
    printf 'deb [signed-by=%s] %s %s %s\n' "$keyring" "$archive" "$suite" "$components" > "$dir/sources.list"
    if private_apt "$dir" update > "$dir/update.log" 2>&1; then return; fi
  done
  if [ -s "$dir/update.log" ]; then cat "$dir/update.log" >&2; fi
  if grep -qsE 'NO_PUBKEY|not signed|Missing key' "$dir/update.log"; then
    fail "this machine's archive keyring cannot verify the suite '$suite': update its keyring package, or $advice."
  fi
  fail "no package archive of this machine serves the suite '$suite': $advice."
}

# download DIR NAME...: packages, into DIR/packages.
download() {
  local dir=$1 attempt
  shift
  mkdir "$dir/packages"
  # Several attempts: apt-get download fails as a whole when one package does.
  for attempt in 1 2 3; do
    if (cd "$dir/packages" && private_apt "$dir" download "$@" >&2); then return; fi
    note "Download failed (attempt $attempt of 3)."
    sleep $((attempt * 3))
  done
  fail "the packages cannot be downloaded: try again, or $advice."
}
